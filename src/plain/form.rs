//! A form as questions, one field after the other: what each asks, and what a typed line does to it.

use tui_input::InputRequest;

use crate::wizard::{
    Wizard, WizardInput,
    form::{FormField, FormFieldKind, InputForm},
    intent::UserIntent,
};

/// What comes of a line that was typed for a field.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FieldAnswer {
    /// The line was taken: what is asked next, or done.
    Continue,
    /// The form is closed, and nothing is taken.
    Close,
    /// All is typed: the form is to be taken.
    Submit,
    /// The field is asked again, for this reason.
    AskAgain(String),
}

/// Whether what is typed into this form is hidden: one line of a paste may hold what the next line's field hides.
pub(super) fn is_form_hidden(form: &InputForm) -> bool {
    form.fields
        .iter()
        .any(|field| matches!(field.kind, FormFieldKind::Secret | FormFieldKind::OptionalSecret))
}

/// Renders the question of the field that is asked now.
pub(super) fn render_field_prompt(form: &InputForm) -> String {
    let Some(field) = form.fields.get(form.focus) else { return String::new() };
    let hidden = if is_form_hidden(form) { "; what you type is not shown" } else { "" };
    match field.kind {
        FormFieldKind::Toggle(_) => {
            let hint = field.hint.trim_end_matches("(space)").trim_end();
            format!("{}, {hint}? y or n [n]: ", field.label)
        }
        FormFieldKind::OptionalSecret => {
            format!("{} ({}{hidden}) [Enter alone: none]: ", field.label, field.hint)
        }
        _ => format!("{} ({}{hidden}) [Enter alone: back]: ", field.label, field.hint),
    }
}

/// Puts a typed line into the field that is asked now; `send` gives the wizard an input.
pub(super) fn answer_form_field(
    wizard: &mut Wizard,
    typed: &str,
    mut send: impl FnMut(&mut Wizard, WizardInput),
) -> FieldAnswer {
    let typed = typed.trim();
    let Some(kind) = focused_field(wizard).map(|field| field.kind) else { return FieldAnswer::Close };
    if let FormFieldKind::Toggle(on) = kind {
        let wanted = match typed.to_ascii_lowercase().as_str() {
            "y" | "yes" => true,
            "" | "n" | "no" => false,
            _ => return FieldAnswer::AskAgain("Type y or n.".to_owned()),
        };
        if on != wanted {
            send(wizard, WizardInput::Key(UserIntent::Edit(InputRequest::InsertChar(' '))));
        }
        return go_to_next_field(wizard, send);
    }
    if typed.is_empty() {
        return match kind {
            FormFieldKind::OptionalSecret => go_to_next_field(wizard, send),
            _ => FieldAnswer::Close,
        };
    }
    send(wizard, WizardInput::Key(UserIntent::Edit(InputRequest::DeleteLine)));
    send(wizard, WizardInput::Paste(typed.to_owned()));
    if let Some(complaint) = find_focused_complaint(wizard) {
        return FieldAnswer::AskAgain(complaint);
    }
    // Credentials go each to its own field, whichever was asked.
    match focused_field(wizard) {
        Some(field) if field.input.value().is_empty() => FieldAnswer::AskAgain(format!(
            "That was taken for another field. The {} is still to be typed.",
            field.label
        )),
        _ => go_to_next_field(wizard, send),
    }
}

/// Returns what is wrong with the field that is asked now, as a sentence.
pub(super) fn find_focused_complaint(wizard: &Wizard) -> Option<String> {
    let field = focused_field(wizard)?;
    field.complaint.map(|complaint| format!("{} {complaint}.", field.label))
}

/// Returns the text of the field `index`, where it may be shown though nothing of it was while it was typed.
pub(super) fn find_shown_value(form: &InputForm, index: usize) -> Option<String> {
    let field = form.fields.get(index)?;
    let is_shown = field.kind == FormFieldKind::AccessKeyId && !field.is_field_masked();
    (is_shown && !field.input.value().is_empty()).then(|| format!("{}: {}", field.label, field.input.value()))
}

fn focused_field(wizard: &Wizard) -> Option<&FormField> {
    let form = wizard.form.as_ref()?;
    form.fields.get(form.focus)
}

/// Goes on to the next field that a paste has not filled already.
fn go_to_next_field(wizard: &mut Wizard, mut send: impl FnMut(&mut Wizard, WizardInput)) -> FieldAnswer {
    loop {
        let Some(form) = &wizard.form else { return FieldAnswer::Close };
        if form.focus + 1 >= form.fields.len() {
            return FieldAnswer::Submit;
        }
        send(wizard, WizardInput::Key(UserIntent::NextField));
        let is_open = focused_field(wizard).is_none_or(|field| {
            matches!(field.kind, FormFieldKind::Toggle(_)) || field.input.value().is_empty()
        });
        if is_open {
            return FieldAnswer::Continue;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::wizard::{TimedInput, WizardStartOptions, form::FormPurpose};

    fn send(wizard: &mut Wizard, input: WizardInput) {
        wizard.update_wizard(TimedInput { at: Duration::ZERO, input });
    }

    fn wizard_with_form(purpose: FormPurpose) -> Wizard {
        let mut wizard = Wizard::new(WizardStartOptions::default());
        wizard.form = Some(InputForm::new(purpose));
        wizard
    }

    #[test]
    fn keys_are_asked_one_after_the_other_and_a_pasted_block_fills_what_it_holds() {
        let mut wizard = wizard_with_form(FormPurpose::Keys);
        assert!(render_field_prompt(wizard.form.as_ref().unwrap()).contains("not shown"));
        for (typed, comes) in [
            ("AKIAIOSFODNN7EXAMPLE", FieldAnswer::Continue),
            ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", FieldAnswer::Continue),
            ("", FieldAnswer::Continue),
            ("maybe", FieldAnswer::AskAgain("Type y or n.".to_owned())),
            ("", FieldAnswer::Submit),
        ] {
            assert_eq!(answer_form_field(&mut wizard, typed, send), comes, "{typed:?}");
        }
        let typed = wizard.form.as_ref().unwrap().typed_credentials();
        assert_eq!(typed.access_key_id, "AKIAIOSFODNN7EXAMPLE");
        assert!(typed.session_token.is_none() && !typed.remember);
    }

    #[test]
    fn a_secret_that_is_typed_too_early_goes_to_its_own_field_and_is_never_said() {
        let mut wizard = wizard_with_form(FormPurpose::Keys);
        let answer = answer_form_field(&mut wizard, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", send);
        let FieldAnswer::AskAgain(why) = answer else { panic!("{answer:?}") };
        assert!(why.contains("access key id is still to be typed") && !why.contains("wJalr"), "{why}");
        // What was taken already isn't asked again.
        assert_eq!(answer_form_field(&mut wizard, "AKIAIOSFODNN7EXAMPLE", send), FieldAnswer::Continue);
        assert_eq!(
            wizard.form.as_ref().unwrap().fields[wizard.form.as_ref().unwrap().focus].label,
            "session token"
        );
    }

    #[test]
    fn enter_alone_closes_what_must_be_filled_in() {
        let mut wizard = wizard_with_form(FormPurpose::Bucket);
        assert_eq!(answer_form_field(&mut wizard, "", send), FieldAnswer::Close);
        assert_eq!(answer_form_field(&mut wizard, "acme-packages", send), FieldAnswer::Submit);
    }
}
