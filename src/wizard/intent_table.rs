//! The one table of intents: for each place where a key may land, when an intent is possible there, and what it does.
//!
//! The footer prints what is offered, and `update_wizard` performs nothing else: both read the same row.

use super::{
    Wizard, WizardEffect,
    form::InputForm,
    intent::{InputMode, IntentAvailability, UserIntent},
    screen::ScreenOverlay,
};

/// Tells whether an intent is possible now.
type Offer = Box<dyn Fn(&Wizard) -> IntentAvailability>;
/// Changes the wizard, and asks for at most one effect.
type IntentAction = Box<dyn FnOnce(&mut Wizard) -> Option<WizardEffect>>;

/// One row of the table.
pub(super) struct IntentRule {
    /// Whether it is possible now, and what the footer calls it.
    pub offered: Offer,
    /// What it does.
    pub perform: IntentAction,
}

/// Makes a row whose name in the footer depends on what the screen shows.
fn offered_as(
    offered: impl Fn(&Wizard) -> IntentAvailability + 'static,
    perform: impl FnOnce(&mut Wizard) -> Option<WizardEffect> + 'static,
) -> IntentRule {
    IntentRule { offered: Box::new(offered), perform: Box::new(perform) }
}

/// Makes a row that is offered under the key table's own words.
fn offered_when(
    possible: impl Fn(&Wizard) -> bool + 'static,
    perform: impl FnOnce(&mut Wizard) -> Option<WizardEffect> + 'static,
) -> IntentRule {
    let offered = move |wizard: &Wizard| {
        if possible(wizard) { IntentAvailability::Usual } else { IntentAvailability::Hidden }
    };
    offered_as(offered, perform)
}

/// Makes a row that is always offered.
fn offered_always(perform: impl FnOnce(&mut Wizard) -> Option<WizardEffect> + 'static) -> IntentRule {
    offered_when(|_| true, perform)
}

/// Finds the row that holds for `intent` where a key lands now; none where it means nothing there.
pub(super) fn find_intent_rule(wizard: &Wizard, intent: UserIntent) -> Option<IntentRule> {
    match (wizard.input_mode(), &wizard.overlay) {
        (InputMode::Text, _) => field_rule(intent),
        (InputMode::Ask, _) => question_rule(intent),
        (InputMode::Browse, Some(_)) => page_rule(intent),
        (InputMode::Browse, None) => screen_rule(intent),
    }
}

/// Returns the row of an intent on a screen that nothing covers. Each intent is named, so that none is forgotten.
fn screen_rule(intent: UserIntent) -> Option<IntentRule> {
    Some(match intent {
        UserIntent::Next => offered_as(Wizard::next_intent_availability, Wizard::perform_next),
        UserIntent::Back => offered_when(Wizard::can_go_back, Wizard::go_back_one_screen),
        UserIntent::Again => offered_when(Wizard::can_look_again, Wizard::look_again),
        UserIntent::Skip => offered_as(Wizard::skip_availability, Wizard::skip_or_stop_reindex),
        UserIntent::Pause => offered_as(Wizard::pause_availability, Wizard::toggle_pause),
        UserIntent::Ahead => offered_when(Wizard::can_go_ahead, Wizard::move_reindex_to_background),
        UserIntent::Disable => offered_when(Wizard::can_disable, Wizard::show_disable),
        UserIntent::Log => offered_always(|wizard| wizard.open_page(ScreenOverlay::Log)),
        UserIntent::Explain => {
            offered_when(Wizard::has_plan, |wizard| wizard.open_page(ScreenOverlay::Explain))
        }
        UserIntent::Help => offered_always(|wizard| wizard.open_page(ScreenOverlay::Help)),
        UserIntent::Copy => offered_when(|wizard| wizard.document_to_copy().is_some(), Wizard::copy_document),
        UserIntent::Anyway => offered_when(Wizard::can_continue_despite_failure, Wizard::continue_anyway),
        UserIntent::Diagnose403 => offered_when(Wizard::can_diagnose_403, Wizard::diagnose_403),
        UserIntent::ToggleVendorReindex => {
            offered_as(Wizard::vendor_reindex_availability, Wizard::toggle_vendor_reindex)
        }
        UserIntent::ToggleWholeFile => offered_when(Wizard::can_toggle_whole_file, Wizard::toggle_whole_file),
        UserIntent::Probe => offered_when(Wizard::can_give_probe_url, Wizard::open_probe_form),
        UserIntent::Credentials => offered_as(Wizard::credentials_availability, Wizard::open_renewal_form),
        UserIntent::TakeOver => {
            offered_when(Wizard::can_take_over_other_run, Wizard::show_take_over_confirmation)
        }
        UserIntent::Quit => offered_always(Wizard::quit_or_ask),
        UserIntent::Interrupt => offered_always(Wizard::handle_ctrl_c),
        UserIntent::Move(to) => {
            offered_as(move |wizard| wizard.move_availability(to), move |wizard| wizard.move_or_scroll(to))
        }
        UserIntent::Yes
        | UserIntent::No
        | UserIntent::NextField
        | UserIntent::PreviousField
        | UserIntent::Edit(_) => return None,
    })
}

/// Returns the row of an intent on a page that covers the screen: the help, the log, the explanation, a choice of two.
fn page_rule(intent: UserIntent) -> Option<IntentRule> {
    let offered_over_other_pages = |page: ScreenOverlay| {
        let shown = page.clone();
        offered_when(
            move |wizard| wizard.overlay.as_ref() != Some(&shown),
            move |wizard| wizard.open_page(page),
        )
    };
    Some(match intent {
        UserIntent::Next => offered_as(Wizard::page_next_availability, Wizard::choose_or_close_page),
        UserIntent::Back => offered_as(|_| IntentAvailability::As("close"), Wizard::dismiss_overlay),
        UserIntent::Disable => offered_when(Wizard::can_disable, Wizard::show_disable),
        UserIntent::Log => offered_over_other_pages(ScreenOverlay::Log),
        UserIntent::Explain => offered_when(
            |wizard| wizard.overlay != Some(ScreenOverlay::Explain) && wizard.has_plan(),
            |wizard| wizard.open_page(ScreenOverlay::Explain),
        ),
        UserIntent::Help => offered_over_other_pages(ScreenOverlay::Help),
        UserIntent::Quit => offered_always(Wizard::quit_or_ask),
        UserIntent::Interrupt => offered_always(Wizard::handle_ctrl_c),
        UserIntent::Move(to) => {
            offered_as(move |wizard| wizard.move_availability(to), move |wizard| wizard.move_or_scroll(to))
        }
        _ => return None,
    })
}

/// Returns the row of an intent while a yes or a no is awaited: nothing is typed and nothing else runs meanwhile.
fn question_rule(intent: UserIntent) -> Option<IntentRule> {
    Some(match intent {
        UserIntent::Yes => offered_always(Wizard::accept_question),
        UserIntent::No | UserIntent::Back => offered_always(Wizard::dismiss_overlay),
        UserIntent::Move(to) => offered_always(move |wizard| wizard.move_or_scroll(to)),
        UserIntent::Disable => offered_when(|wizard| wizard.applying_stage().is_none(), Wizard::show_disable),
        UserIntent::Quit => {
            offered_when(|wizard| wizard.overlay != Some(ScreenOverlay::Quit), Wizard::quit_or_ask)
        }
        UserIntent::Interrupt => offered_always(Wizard::handle_ctrl_c),
        _ => return None,
    })
}

/// Returns the row of an intent in a form, where letters are text.
fn field_rule(intent: UserIntent) -> Option<IntentRule> {
    let has_other_fields = |wizard: &Wizard| wizard.form.as_ref().is_some_and(|form| form.fields.len() > 1);
    Some(match intent {
        UserIntent::Next => offered_as(|_| IntentAvailability::As("done"), Wizard::submit_form),
        UserIntent::NextField => {
            offered_when(has_other_fields, |wizard| wizard.change_form(|form| form.move_form_focus(true)))
        }
        UserIntent::PreviousField => {
            offered_when(has_other_fields, |wizard| wizard.change_form(|form| form.move_form_focus(false)))
        }
        UserIntent::Back => offered_always(Wizard::close_form),
        UserIntent::Edit(request) => offered_always(move |wizard| {
            wizard.change_form(|form: &mut InputForm| form.edit_form_field(request))
        }),
        UserIntent::Interrupt => offered_always(Wizard::handle_ctrl_c),
        _ => return None,
    })
}
