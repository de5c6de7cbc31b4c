//! The one table of intents: for each place where a key may land, when an intent is possible there, and what it does.
//!
//! The footer prints what is offered, and `update_wizard` performs nothing else: both read the same row.

use super::{
    Wizard, WizardEffect,
    form::InputForm,
    intent::{UserIntent, UserIntentAvailability, WizardInputMode},
    screen::ScreenOverlay,
};

/// Tells whether an intent is possible now.
type IntentAvailabilityCheck = Box<dyn Fn(&Wizard) -> UserIntentAvailability>;
/// Changes the wizard, and asks for at most one effect.
type UserIntentAction = Box<dyn FnOnce(&mut Wizard) -> Option<WizardEffect>>;

/// One row of the table.
pub(super) struct UserIntentRule {
    /// Whether it is possible now, and what the footer calls it.
    pub offered: IntentAvailabilityCheck,
    /// What it does.
    pub perform: UserIntentAction,
}

/// Makes a row whose name in the footer depends on what the screen shows.
fn offer_intent_by_availability(
    offered: impl Fn(&Wizard) -> UserIntentAvailability + 'static,
    perform: impl FnOnce(&mut Wizard) -> Option<WizardEffect> + 'static,
) -> UserIntentRule {
    UserIntentRule { offered: Box::new(offered), perform: Box::new(perform) }
}

/// Makes a row that is offered under the key table's own words.
fn offer_intent_if(
    possible: impl Fn(&Wizard) -> bool + 'static,
    perform: impl FnOnce(&mut Wizard) -> Option<WizardEffect> + 'static,
) -> UserIntentRule {
    let offered = move |wizard: &Wizard| {
        if possible(wizard) { UserIntentAvailability::Usual } else { UserIntentAvailability::Hidden }
    };
    offer_intent_by_availability(offered, perform)
}

/// Makes a row that is always offered.
fn offer_intent_always(
    perform: impl FnOnce(&mut Wizard) -> Option<WizardEffect> + 'static,
) -> UserIntentRule {
    offer_intent_if(|_| true, perform)
}

/// Finds the row that holds for `intent` where a key lands now; none where it means nothing there.
pub(super) fn find_intent_rule(wizard: &Wizard, intent: UserIntent) -> Option<UserIntentRule> {
    if let Some(rule) = find_terminal_intent_rule(intent) {
        return Some(rule);
    }
    match (wizard.current_wizard_input_mode(), &wizard.overlay) {
        (WizardInputMode::Text, Some(_)) => find_text_search_intent_rule(intent),
        (WizardInputMode::Text, None) => find_form_intent_rule(intent),
        (WizardInputMode::Ask, _) => find_confirmation_intent_rule(intent),
        (WizardInputMode::Browse, Some(_)) => find_overlay_page_intent_rule(intent),
        (WizardInputMode::Browse, None) => find_screen_intent_rule(intent),
    }
}

/// Returns the row of an intent that is about the terminal alone: it means the same wherever a key lands.
fn find_terminal_intent_rule(intent: UserIntent) -> Option<UserIntentRule> {
    match intent {
        UserIntent::Suspend => Some(offer_intent_always(|_| Some(WizardEffect::Suspend))),
        UserIntent::Redraw => Some(offer_intent_always(|_| Some(WizardEffect::Redraw))),
        _ => None,
    }
}

/// Returns the row of an intent on a screen that nothing covers. Each intent is named, so that none is forgotten.
fn find_screen_intent_rule(intent: UserIntent) -> Option<UserIntentRule> {
    Some(match intent {
        UserIntent::Next => offer_intent_by_availability(
            Wizard::screen_enter_key_availability,
            Wizard::run_screen_enter_action,
        ),
        UserIntent::Back => {
            offer_intent_by_availability(Wizard::back_availability, Wizard::go_back_one_screen)
        }
        UserIntent::Again => {
            offer_intent_if(Wizard::can_refresh_current_screen, Wizard::refresh_current_screen)
        }
        UserIntent::Skip => {
            offer_intent_by_availability(Wizard::skip_reindex_availability, Wizard::stop_and_skip_reindex)
        }
        UserIntent::Pause => {
            offer_intent_by_availability(Wizard::pause_reindex_availability, Wizard::toggle_running_job_pause)
        }
        UserIntent::Ahead => {
            offer_intent_if(Wizard::can_move_reindex_to_background, Wizard::move_reindex_to_background)
        }
        UserIntent::Open => {
            offer_intent_by_availability(Wizard::open_line_availability, Wizard::open_chosen_line)
        }
        UserIntent::Stepwise => offer_intent_if(Wizard::can_run_stages_stepwise, Wizard::run_stages_stepwise),
        UserIntent::Disable => offer_intent_if(Wizard::can_show_disable_stage, Wizard::show_disable_stage),
        UserIntent::Log => offer_intent_always(|wizard| wizard.open_screen_overlay(ScreenOverlay::Log)),
        UserIntent::Explain => {
            offer_intent_if(Wizard::has_plan, |wizard| wizard.open_screen_overlay(ScreenOverlay::Explain))
        }
        UserIntent::Help => offer_intent_always(|wizard| wizard.open_screen_overlay(ScreenOverlay::Help)),
        UserIntent::Copy => offer_intent_by_availability(
            Wizard::copy_document_availability,
            Wizard::copy_next_document_to_clipboard,
        ),
        UserIntent::Anyway => {
            offer_intent_if(Wizard::can_continue_despite_failure, Wizard::continue_past_failed_stage)
        }
        UserIntent::Diagnose403 => offer_intent_if(Wizard::can_diagnose_403, Wizard::show_verify_stage),
        UserIntent::ToggleVendorReindex => offer_intent_by_availability(
            Wizard::find_vendor_reindex_toggle_availability,
            Wizard::toggle_packagecloud_own_reindex,
        ),
        UserIntent::ToggleWholeFile => {
            offer_intent_if(Wizard::can_toggle_whole_file, Wizard::toggle_whole_file_restore)
        }
        UserIntent::Probe => offer_intent_if(Wizard::can_enter_probe_url_here, Wizard::open_probe_url_form),
        UserIntent::Credentials => offer_intent_by_availability(
            Wizard::enter_credentials_availability,
            Wizard::open_credential_renewal_form,
        ),
        UserIntent::TakeOver => {
            offer_intent_if(Wizard::can_take_over_other_run, Wizard::show_run_takeover_confirmation)
        }
        UserIntent::Quit => offer_intent_always(Wizard::quit_or_ask),
        UserIntent::Interrupt => {
            offer_intent_by_availability(Wizard::stop_key_availability, Wizard::handle_ctrl_c)
        }
        UserIntent::Move(_) | UserIntent::Choose(_) => return find_cursor_intent_rule(intent),
        UserIntent::Find
        | UserIntent::FindNext
        | UserIntent::FindPrevious
        | UserIntent::Yes
        | UserIntent::No
        | UserIntent::NextField
        | UserIntent::PreviousField
        | UserIntent::Suspend
        | UserIntent::Redraw
        | UserIntent::Edit(_) => return None,
    })
}

/// Returns the row of an intent that moves through a list or a text.
fn find_cursor_intent_rule(intent: UserIntent) -> Option<UserIntentRule> {
    match intent {
        UserIntent::Move(to) => Some(offer_intent_by_availability(
            move |wizard| wizard.cursor_move_availability(to),
            move |wizard| wizard.move_list_cursor_or_scroll(to),
        )),
        UserIntent::Choose(index) => Some(offer_intent_if(
            move |wizard| index < wizard.count_screen_list_lines(),
            move |wizard| wizard.choose_list_line(index),
        )),
        _ => None,
    }
}

/// Returns the row of an intent on a page that covers the screen: the help, the log, the explanation, a choice of two.
fn find_overlay_page_intent_rule(intent: UserIntent) -> Option<UserIntentRule> {
    let offered_over_other_pages = |page: ScreenOverlay| {
        let shown = page.clone();
        offer_intent_if(
            move |wizard| wizard.overlay.as_ref() != Some(&shown),
            move |wizard| wizard.open_screen_overlay(page),
        )
    };
    Some(match intent {
        UserIntent::Next => offer_intent_by_availability(
            Wizard::overlay_enter_key_availability,
            Wizard::accept_choice_or_close_overlay,
        ),
        UserIntent::Back => {
            offer_intent_by_availability(|_| UserIntentAvailability::As("close"), Wizard::dismiss_overlay)
        }
        UserIntent::Disable => offer_intent_if(Wizard::can_show_disable_stage, Wizard::show_disable_stage),
        UserIntent::Log => offered_over_other_pages(ScreenOverlay::Log),
        UserIntent::Explain => offer_intent_if(
            |wizard| wizard.overlay != Some(ScreenOverlay::Explain) && wizard.has_plan(),
            |wizard| wizard.open_screen_overlay(ScreenOverlay::Explain),
        ),
        UserIntent::Copy => offer_intent_by_availability(
            |wizard| {
                let is_open = wizard.overlay == Some(ScreenOverlay::Explain);
                let text = is_open.then(|| wizard.next_explained_document()).flatten();
                Wizard::copy_availability(text.as_deref())
            },
            Wizard::copy_next_explained_document,
        ),
        UserIntent::Help => offered_over_other_pages(ScreenOverlay::Help),
        UserIntent::Quit => offer_intent_always(Wizard::quit_or_ask),
        UserIntent::Interrupt => {
            offer_intent_by_availability(Wizard::stop_key_availability, Wizard::handle_ctrl_c)
        }
        UserIntent::Move(to) => offer_intent_by_availability(
            move |wizard| wizard.cursor_move_availability(to),
            move |wizard| wizard.move_list_cursor_or_scroll(to),
        ),
        UserIntent::Choose(index) => offer_intent_if(
            move |wizard| {
                wizard.selected_choice_consent().is_some() && index < wizard.count_screen_list_lines()
            },
            move |wizard| wizard.choose_list_line(index),
        ),
        UserIntent::Find => offer_intent_if(Wizard::can_find_on_page, Wizard::begin_text_search),
        UserIntent::FindNext => {
            offer_intent_if(Wizard::has_text_to_find, |wizard| wizard.show_next_found(true))
        }
        UserIntent::FindPrevious => {
            offer_intent_if(Wizard::has_text_to_find, |wizard| wizard.show_next_found(false))
        }
        _ => return None,
    })
}

/// Returns the row of an intent while a yes or a no is awaited: nothing is typed and nothing else runs meanwhile.
fn find_confirmation_intent_rule(intent: UserIntent) -> Option<UserIntentRule> {
    Some(match intent {
        UserIntent::Yes => offer_intent_always(Wizard::answer_question_with_yes),
        UserIntent::No | UserIntent::Back => offer_intent_always(Wizard::dismiss_overlay),
        UserIntent::Move(to) => offer_intent_always(move |wizard| wizard.move_list_cursor_or_scroll(to)),
        UserIntent::Disable => offer_intent_if(
            |wizard| wizard.stage_applied_in_foreground().is_none(),
            Wizard::show_disable_stage,
        ),
        UserIntent::Quit => {
            offer_intent_if(|wizard| wizard.overlay != Some(ScreenOverlay::Quit), Wizard::quit_or_ask)
        }
        UserIntent::Interrupt => {
            offer_intent_by_availability(Wizard::stop_key_availability, Wizard::handle_ctrl_c)
        }
        _ => return None,
    })
}

/// Returns the row of an intent while the text is typed that is looked for on a page.
fn find_text_search_intent_rule(intent: UserIntent) -> Option<UserIntentRule> {
    Some(match intent {
        UserIntent::Next => {
            offer_intent_by_availability(|_| UserIntentAvailability::As("find"), Wizard::accept_text_to_find)
        }
        UserIntent::Back => {
            offer_intent_by_availability(|_| UserIntentAvailability::As("cancel"), Wizard::cancel_text_search)
        }
        UserIntent::Edit(request) => offer_intent_always(move |wizard| wizard.edit_text_to_find(request)),
        UserIntent::Interrupt => {
            offer_intent_by_availability(Wizard::stop_key_availability, Wizard::handle_ctrl_c)
        }
        _ => return None,
    })
}

/// Returns the row of an intent in a form, where letters are text.
fn find_form_intent_rule(intent: UserIntent) -> Option<UserIntentRule> {
    let has_other_fields = |wizard: &Wizard| wizard.form.as_ref().is_some_and(|form| form.fields.len() > 1);
    Some(match intent {
        UserIntent::Next => {
            offer_intent_by_availability(|_| UserIntentAvailability::As("done"), Wizard::submit_form)
        }
        UserIntent::NextField => offer_intent_if(has_other_fields, |wizard| {
            wizard.edit_open_wizard_form(|form| form.move_form_focus(true))
        }),
        UserIntent::PreviousField => offer_intent_if(has_other_fields, |wizard| {
            wizard.edit_open_wizard_form(|form| form.move_form_focus(false))
        }),
        UserIntent::Back => offer_intent_always(Wizard::close_form),
        UserIntent::Edit(request) => offer_intent_always(move |wizard| {
            wizard.edit_open_wizard_form(|form: &mut InputForm| form.edit_focused_field(request))
        }),
        UserIntent::Interrupt => {
            offer_intent_by_availability(Wizard::stop_key_availability, Wizard::handle_ctrl_c)
        }
        _ => return None,
    })
}
