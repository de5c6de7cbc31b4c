//! Fields that are typed or pasted into; what is refused says why beside the field, and a secret is never shown, not even by `Debug`.

use tui_input::{Input, InputRequest};

use super::credential_paste::{PastedCredentials, may_be_access_key_id};
use crate::model::{run::welcome::OperatorTypedCredentials, secret::Secret};

/// What the form is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormPurpose {
    Profile,
    Keys,
    /// A code of the device that a profile's role wants.
    Code,
    Bucket,
    /// The bucket's name, typed once more as a consent.
    ConfirmBucket,
    Probe,
}

#[derive(Debug, Clone)]
pub struct InputForm {
    pub purpose: FormPurpose,
    pub title: String,
    pub fields: Vec<FormField>,
    pub focus: usize,
    /// The profile that it is for.
    pub profile: String,
    /// For a run that stands still: what is typed is given to it.
    pub renews: bool,
}

#[derive(Clone)]
pub struct FormField {
    pub label: &'static str,
    pub hint: &'static str,
    pub input: Input,
    pub kind: FormFieldKind,
    /// Why what stands in it won't do.
    pub complaint: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormFieldKind {
    Text,
    /// Shown while it may be one.
    AccessKeyId,
    /// Masked.
    Secret,
    /// Digits alone, and shown: a code is good once, and for half a minute.
    Code,
    /// Masked, and may be empty.
    OptionalSecret,
    /// On or off, by the space bar.
    Toggle(bool),
}

/// Why a paste is refused.
const HOLDS_SECRET: &str = "is shown, and the paste contains a secret: nothing was taken";

impl FormFieldKind {
    fn shows_text(self) -> bool {
        matches!(self, Self::AccessKeyId | Self::Text | Self::Code)
    }

    fn accepts_char(self, letter: char) -> bool {
        if self == Self::Code { letter.is_ascii_digit() } else { !letter.is_control() }
    }
}

impl std::fmt::Debug for FormField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Field").field("label", &self.label).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl FormField {
    fn new(label: &'static str, hint: &'static str, kind: FormFieldKind) -> Self {
        Self { label, hint, input: Input::default(), kind, complaint: None }
    }

    /// Whether what is typed is shown as dots.
    #[must_use]
    pub fn is_field_masked(&self) -> bool {
        match self.kind {
            FormFieldKind::Secret | FormFieldKind::OptionalSecret => true,
            // Where a terminal hands a paste on as keys, whatever was copied may land here.
            FormFieldKind::AccessKeyId => !may_be_access_key_id(self.input.value()),
            FormFieldKind::Text | FormFieldKind::Code | FormFieldKind::Toggle(_) => false,
        }
    }

    fn set_field_text(&mut self, text: &str) {
        self.input = Input::new(text.chars().filter(|letter| self.kind.accepts_char(*letter)).collect());
        self.complaint = None;
    }
}

impl InputForm {
    /// Makes an empty form for this purpose.
    #[must_use]
    pub fn new(purpose: FormPurpose) -> Self {
        let (title, fields) = match purpose {
            FormPurpose::Profile => (
                "Use a named profile",
                vec![FormField::new("profile", "as in ~/.aws/config", FormFieldKind::Text)],
            ),
            FormPurpose::Keys => (
                "Type or paste access keys",
                vec![
                    FormField::new("access key id", "AKIA… or ASIA…", FormFieldKind::AccessKeyId),
                    FormField::new("secret access key", "40 characters", FormFieldKind::Secret),
                    FormField::new("session token", "only with an ASIA… key", FormFieldKind::OptionalSecret),
                    FormField::new(
                        "remember",
                        "in this system's keyring (space)",
                        FormFieldKind::Toggle(false),
                    ),
                ],
            ),
            FormPurpose::Code => (
                "Type the code that the device shows",
                vec![FormField::new("code", "six digits, each good once", FormFieldKind::Code)],
            ),
            FormPurpose::Bucket => (
                "Name the bucket",
                vec![FormField::new("bucket", "where packagecloud stores packages", FormFieldKind::Text)],
            ),
            FormPurpose::ConfirmBucket => (
                "Type the bucket's name to confirm it",
                vec![FormField::new("bucket", "its whole name", FormFieldKind::Text)],
            ),
            FormPurpose::Probe => (
                "Give a download URL of packagecloud",
                vec![FormField::new(
                    "URL",
                    "of any package, as its repository page shows it, without a token",
                    FormFieldKind::Text,
                )],
            ),
        };
        Self { purpose, title: title.to_owned(), fields, focus: 0, profile: String::new(), renews: false }
    }

    /// Makes a form that asks for a code of `device`, for the role of `profile`.
    #[must_use]
    pub fn new_mfa_code_form(device: &str, profile: &str) -> Self {
        let title = format!("Type the code that {device} shows");
        Self { title, profile: profile.to_owned(), ..Self::new(FormPurpose::Code) }
    }

    /// Gives what is typed to a run that stands still.
    #[must_use]
    pub fn mark_as_credential_renewal(self) -> Self {
        Self { renews: true, ..self }
    }

    /// Changes the field that has the cursor; letters that it doesn't take are dropped.
    pub fn edit_focused_field(&mut self, request: InputRequest) {
        let Some(field) = self.fields.get_mut(self.focus) else { return };
        field.complaint = None;
        if let FormFieldKind::Toggle(on) = &mut field.kind {
            if request == InputRequest::InsertChar(' ') {
                *on = !*on;
            }
            return;
        }
        if let InputRequest::InsertChar(letter) = request
            && (!field.kind.accepts_char(letter) || field.input.value().len() > 4096)
        {
            return;
        }
        field.input.handle(request);
    }

    /// Puts a paste where the cursor is, a line a field. Credentials go each to its own field, however they are written; what
    /// holds a secret is never put into a field that shows it.
    pub fn paste_into_form(&mut self, text: &str) {
        let found = PastedCredentials::read_pasted_credentials(text);
        if self.purpose == FormPurpose::Keys && !found.is_empty() {
            self.fill_in_pasted_credentials(&found);
            return;
        }
        match self.fields.get_mut(self.focus) {
            None | Some(FormField { kind: FormFieldKind::Toggle(_), .. }) => return,
            Some(field) if found.holds_secret() && field.kind.shows_text() => {
                field.complaint = Some(HOLDS_SECRET);
                return;
            }
            Some(_) => {}
        }
        let lines: Vec<&str> =
            text.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()).collect();
        let mut place = self.focus;
        for (index, line) in lines.iter().enumerate() {
            self.focus = place;
            if !self.paste_line_into_focused_field(line) || index + 1 == lines.len() {
                return;
            }
            let is_typed = |field: &FormField| !matches!(field.kind, FormFieldKind::Toggle(_));
            let Some(next) = self.fields.iter().skip(place + 1).position(is_typed) else {
                self.fields[place].complaint = Some("takes one line: the first line of the paste is in it");
                return;
            };
            place += 1 + next;
        }
    }

    /// Puts one line of a paste into the field that has the cursor; false where the field doesn't take it, and says why.
    fn paste_line_into_focused_field(&mut self, line: &str) -> bool {
        let found = PastedCredentials::read_pasted_credentials(line);
        let Some(field) = self.fields.get_mut(self.focus) else { return false };
        field.complaint = match field.kind {
            FormFieldKind::Toggle(_) => return false,
            FormFieldKind::AccessKeyId if !may_be_access_key_id(line) => {
                Some("is shown, and the paste is not such an id: nothing was taken")
            }
            kind if kind.shows_text() && found.holds_secret() => Some(HOLDS_SECRET),
            _ => None,
        };
        if field.complaint.is_some() {
            return false;
        }
        let kind = field.kind;
        for letter in line.chars().filter(|letter| kind.accepts_char(*letter)).take(4096) {
            field.input.handle(InputRequest::InsertChar(letter));
        }
        true
    }

    fn fill_in_pasted_credentials(&mut self, found: &PastedCredentials) {
        let parts = [&found.access_key_id, &found.secret_access_key, &found.session_token];
        for (field, text) in self.fields.iter_mut().zip(parts) {
            if let Some(text) = text {
                field.set_field_text(text);
            }
        }
    }

    /// Moves the cursor to the next field, or to the one before.
    pub fn move_form_focus(&mut self, forward: bool) {
        let count = self.fields.len();
        self.focus = if forward { self.focus + 1 } else { self.focus + count - 1 } % count;
    }

    /// Checks that all is filled in; else the first field that isn't gets the cursor and says so.
    pub fn validate_form_fields(&mut self) -> bool {
        let bad = self.fields.iter().position(|field| {
            let text = field.input.value().trim();
            match field.kind {
                FormFieldKind::Text | FormFieldKind::AccessKeyId | FormFieldKind::Secret => {
                    text.is_empty() || text.contains(char::is_whitespace)
                }
                FormFieldKind::OptionalSecret => text.contains(char::is_whitespace),
                FormFieldKind::Code => text.len() != 6,
                FormFieldKind::Toggle(_) => false,
            }
        });
        if let Some(index) = bad {
            self.focus_field_with_error(
                index,
                if self.fields[index].kind == FormFieldKind::Code {
                    "has six digits"
                } else if self.fields[index].input.value().trim().is_empty() {
                    "is still empty"
                } else {
                    "has a space in it: was it copied whole?"
                },
            );
        }
        bad.is_none()
    }

    /// Puts the cursor into a field, and says what is wrong with it.
    pub fn focus_field_with_error(&mut self, index: usize, why: &'static str) {
        self.focus = index;
        if let Some(field) = self.fields.get_mut(index) {
            field.complaint = Some(why);
        }
    }

    /// Returns a field's text without the space around it.
    #[must_use]
    pub fn trimmed_field_text(&self, index: usize) -> String {
        self.fields.get(index).map(|field| field.input.value().trim().to_owned()).unwrap_or_default()
    }

    /// Returns the keys of a form for keys.
    #[must_use]
    pub fn typed_credentials(&self) -> OperatorTypedCredentials {
        let token = self.trimmed_field_text(2);
        OperatorTypedCredentials {
            access_key_id: self.trimmed_field_text(0),
            secret_access_key: Secret::new(self.trimmed_field_text(1)),
            session_token: (!token.is_empty()).then(|| Secret::new(token)),
            remember: matches!(self.fields.get(3), Some(FormField { kind: FormFieldKind::Toggle(true), .. })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paste_goes_into_fields_a_line_each() {
        for (purpose, pasted, fields) in [
            (FormPurpose::Bucket, "pkgs-example\n", vec!["pkgs-example"]),
            (FormPurpose::Bucket, "\r\n  pkgs-example\rother\r", vec!["pkgs-example"]),
            (FormPurpose::Keys, "minio\r\nhorse\r\nbattery", vec!["minio", "horse", "battery", ""]),
            (FormPurpose::Keys, "minio\nhorse\nbattery\nstaple", vec!["minio", "horse", "battery", ""]),
            (FormPurpose::Code, "12-34\n", vec!["1234"]),
        ] {
            let mut form = InputForm::new(purpose);
            form.paste_into_form(pasted);
            let values: Vec<&str> = form.fields.iter().map(|field| field.input.value()).collect();
            assert_eq!(values, fields, "{pasted:?}");
        }
    }

    #[test]
    fn a_secret_in_any_line_of_a_paste_lands_in_no_field_that_shows_it() {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let mut form = InputForm::new(FormPurpose::Bucket);
        form.paste_into_form(secret);
        assert!(form.fields[0].complaint.is_some() && form.fields[0].input.value().is_empty());
        let mut form = InputForm::new(FormPurpose::Profile);
        form.paste_into_form(&format!("prod\r{secret}"));
        assert!(form.fields[0].complaint.is_some() && form.fields[0].input.value().is_empty());
    }
}
