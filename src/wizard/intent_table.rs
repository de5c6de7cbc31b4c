//! The one table of intents: for each place where a key may land, when an intent is possible there, and what it does.
//!
//! The footer prints what is offered, and `update_wizard` performs nothing else: both read the same row.

use super::{
    Wizard, WizardEffect,
    form::InputForm,
    intent::{KeyInputMode, UserIntent, UserIntentAvailability},
    screen::ScreenOverlay,
};

/// Tells whether an intent is possible now.
type IntentAvailabilityCheck = Box<dyn Fn(&Wizard) -> UserIntentAvailability>;
/// Changes the wizard, and asks for at most one effect.
type IntentAction = Box<dyn FnOnce(&mut Wizard) -> Option<WizardEffect>>;

/// One row of the table.
pub(super) struct IntentRule {
    /// Whether it is possible now, and what the footer calls it.
    pub offered: IntentAvailabilityCheck,
    /// What it does.
    pub perform: IntentAction,
}

/// Makes a row whose name in the footer depends on what the screen shows.
fn new_rule_with_availability(
    offered: impl Fn(&Wizard) -> UserIntentAvailability + 'static,
    perform: impl FnOnce(&mut Wizard) -> Option<WizardEffect> + 'static,
) -> IntentRule {
    IntentRule { offered: Box::new(offered), perform: Box::new(perform) }
}

/// Makes a row that is offered under the key table's own words.
fn new_rule_with_condition(
    possible: impl Fn(&Wizard) -> bool + 'static,
    perform: impl FnOnce(&mut Wizard) -> Option<WizardEffect> + 'static,
) -> IntentRule {
    let offered = move |wizard: &Wizard| {
        if possible(wizard) { UserIntentAvailability::Usual } else { UserIntentAvailability::Hidden }
    };
    new_rule_with_availability(offered, perform)
}

/// Makes a row that is always offered.
fn new_always_available_rule(
    perform: impl FnOnce(&mut Wizard) -> Option<WizardEffect> + 'static,
) -> IntentRule {
    new_rule_with_condition(|_| true, perform)
}

/// Finds the row that holds for `intent` where a key lands now; none where it means nothing there.
pub(super) fn find_intent_rule(wizard: &Wizard, intent: UserIntent) -> Option<IntentRule> {
    match (wizard.current_key_mode(), &wizard.overlay) {
        (KeyInputMode::Text, _) => find_intent_rule_in_form(intent),
        (KeyInputMode::Ask, _) => find_intent_rule_on_question(intent),
        (KeyInputMode::Browse, Some(_)) => find_intent_rule_on_page(intent),
        (KeyInputMode::Browse, None) => find_intent_rule_on_screen(intent),
    }
}

/// Returns the row of an intent on a screen that nothing covers. Each intent is named, so that none is forgotten.
fn find_intent_rule_on_screen(intent: UserIntent) -> Option<IntentRule> {
    Some(match intent {
        UserIntent::Next => {
            new_rule_with_availability(Wizard::screen_enter_key_availability, Wizard::run_screen_enter_action)
        }
        UserIntent::Back => new_rule_with_condition(Wizard::can_go_back, Wizard::go_back_one_screen),
        UserIntent::Again => {
            new_rule_with_condition(Wizard::can_refresh_current_screen, Wizard::refresh_current_screen)
        }
        UserIntent::Skip => {
            new_rule_with_availability(Wizard::skip_reindex_availability, Wizard::skip_or_stop_reindex)
        }
        UserIntent::Pause => {
            new_rule_with_availability(Wizard::pause_reindex_availability, Wizard::toggle_running_job_pause)
        }
        UserIntent::Ahead => new_rule_with_condition(
            Wizard::can_move_reindex_to_background,
            Wizard::move_reindex_to_background,
        ),
        UserIntent::Disable => {
            new_rule_with_condition(Wizard::can_show_disable_stage, Wizard::show_disable_stage)
        }
        UserIntent::Log => new_always_available_rule(|wizard| wizard.open_screen_overlay(ScreenOverlay::Log)),
        UserIntent::Explain => new_rule_with_condition(Wizard::has_plan, |wizard| {
            wizard.open_screen_overlay(ScreenOverlay::Explain)
        }),
        UserIntent::Help => {
            new_always_available_rule(|wizard| wizard.open_screen_overlay(ScreenOverlay::Help))
        }
        UserIntent::Copy => {
            new_rule_with_condition(|wizard| wizard.document_to_copy().is_some(), Wizard::copy_document)
        }
        UserIntent::Anyway => {
            new_rule_with_condition(Wizard::can_continue_despite_failure, Wizard::continue_despite_failure)
        }
        UserIntent::Diagnose403 => {
            new_rule_with_condition(Wizard::can_diagnose_403, Wizard::start_403_diagnosis)
        }
        UserIntent::ToggleVendorReindex => {
            new_rule_with_availability(Wizard::vendor_reindex_availability, Wizard::toggle_vendor_reindex)
        }
        UserIntent::ToggleWholeFile => {
            new_rule_with_condition(Wizard::can_toggle_whole_file, Wizard::toggle_whole_file)
        }
        UserIntent::Probe => new_rule_with_condition(Wizard::can_give_probe_url, Wizard::open_probe_url_form),
        UserIntent::Credentials => new_rule_with_availability(
            Wizard::enter_credentials_availability,
            Wizard::open_credential_renewal_form,
        ),
        UserIntent::TakeOver => {
            new_rule_with_condition(Wizard::can_take_over_other_run, Wizard::show_take_over_confirmation)
        }
        UserIntent::Quit => new_always_available_rule(Wizard::quit_or_ask),
        UserIntent::Interrupt => new_always_available_rule(Wizard::handle_ctrl_c),
        UserIntent::Move(to) => new_rule_with_availability(
            move |wizard| wizard.cursor_move_availability(to),
            move |wizard| wizard.move_list_cursor_or_scroll(to),
        ),
        UserIntent::Yes
        | UserIntent::No
        | UserIntent::NextField
        | UserIntent::PreviousField
        | UserIntent::Edit(_) => return None,
    })
}

/// Returns the row of an intent on a page that covers the screen: the help, the log, the explanation, a choice of two.
fn find_intent_rule_on_page(intent: UserIntent) -> Option<IntentRule> {
    let offered_over_other_pages = |page: ScreenOverlay| {
        let shown = page.clone();
        new_rule_with_condition(
            move |wizard| wizard.overlay.as_ref() != Some(&shown),
            move |wizard| wizard.open_screen_overlay(page),
        )
    };
    Some(match intent {
        UserIntent::Next => new_rule_with_availability(
            Wizard::overlay_enter_key_availability,
            Wizard::accept_choice_or_close_overlay,
        ),
        UserIntent::Back => {
            new_rule_with_availability(|_| UserIntentAvailability::As("close"), Wizard::dismiss_overlay)
        }
        UserIntent::Disable => {
            new_rule_with_condition(Wizard::can_show_disable_stage, Wizard::show_disable_stage)
        }
        UserIntent::Log => offered_over_other_pages(ScreenOverlay::Log),
        UserIntent::Explain => new_rule_with_condition(
            |wizard| wizard.overlay != Some(ScreenOverlay::Explain) && wizard.has_plan(),
            |wizard| wizard.open_screen_overlay(ScreenOverlay::Explain),
        ),
        UserIntent::Help => offered_over_other_pages(ScreenOverlay::Help),
        UserIntent::Quit => new_always_available_rule(Wizard::quit_or_ask),
        UserIntent::Interrupt => new_always_available_rule(Wizard::handle_ctrl_c),
        UserIntent::Move(to) => new_rule_with_availability(
            move |wizard| wizard.cursor_move_availability(to),
            move |wizard| wizard.move_list_cursor_or_scroll(to),
        ),
        _ => return None,
    })
}

/// Returns the row of an intent while a yes or a no is awaited: nothing is typed and nothing else runs meanwhile.
fn find_intent_rule_on_question(intent: UserIntent) -> Option<IntentRule> {
    Some(match intent {
        UserIntent::Yes => new_always_available_rule(Wizard::answer_question_with_yes),
        UserIntent::No | UserIntent::Back => new_always_available_rule(Wizard::dismiss_overlay),
        UserIntent::Move(to) => {
            new_always_available_rule(move |wizard| wizard.move_list_cursor_or_scroll(to))
        }
        UserIntent::Disable => new_rule_with_condition(
            |wizard| wizard.stage_applied_on_screen().is_none(),
            Wizard::show_disable_stage,
        ),
        UserIntent::Quit => {
            new_rule_with_condition(|wizard| wizard.overlay != Some(ScreenOverlay::Quit), Wizard::quit_or_ask)
        }
        UserIntent::Interrupt => new_always_available_rule(Wizard::handle_ctrl_c),
        _ => return None,
    })
}

/// Returns the row of an intent in a form, where letters are text.
fn find_intent_rule_in_form(intent: UserIntent) -> Option<IntentRule> {
    let has_other_fields = |wizard: &Wizard| wizard.form.as_ref().is_some_and(|form| form.fields.len() > 1);
    Some(match intent {
        UserIntent::Next => {
            new_rule_with_availability(|_| UserIntentAvailability::As("done"), Wizard::submit_form)
        }
        UserIntent::NextField => new_rule_with_condition(has_other_fields, |wizard| {
            wizard.change_form(|form| form.move_form_focus(true))
        }),
        UserIntent::PreviousField => new_rule_with_condition(has_other_fields, |wizard| {
            wizard.change_form(|form| form.move_form_focus(false))
        }),
        UserIntent::Back => new_always_available_rule(Wizard::close_form),
        UserIntent::Edit(request) => new_always_available_rule(move |wizard| {
            wizard.change_form(|form: &mut InputForm| form.edit_focused_field(request))
        }),
        UserIntent::Interrupt => new_always_available_rule(Wizard::handle_ctrl_c),
        _ => return None,
    })
}
