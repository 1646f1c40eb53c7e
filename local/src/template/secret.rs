//! Secrets: what a template asks for, making one, and `{{resolve:secretsmanager:…}}`.

use super::catalog::without_effect;
use super::fields::Fields;
use super::problem::Place;
use super::scope::Scope;
use crate::state::State;
use serde_json::{Map, Value};

const OPENING: &str = "{{resolve:";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
/// AWS's own bounds.
const LENGTH: std::ops::RangeInclusive<i64> = 1..=4096;

/// What an `AWS::SecretsManager::Secret` should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSpec {
    /// `SecretString`: exactly this.
    Text(String),
    /// `GenerateSecretString`: characters drawn at random.
    Generated {
        length: usize,
        /// The kinds of characters to draw from, without the excluded ones.
        alphabets: Vec<Vec<char>>,
        /// Whether at least one of each kind must be in it.
        require_each: bool,
        /// `SecretStringTemplate` and `GenerateStringKey`: the JSON object to put the secret into, and its key there.
        template: Option<(Map<String, Value>, String)>,
    },
}

/// Why a secret could not be generated.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("the operating system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    #[error(transparent)]
    State(#[from] crate::state::StateError),
}

impl SecretSpec {
    /// A value to this specification; another one each time, unless the template gives the text.
    ///
    /// # Errors
    /// When the operating system has no randomness.
    pub fn generate(&self) -> Result<String, SecretError> {
        let Self::Generated { length, alphabets, require_each, template } = self else {
            let Self::Text(text) = self else {
                return Ok(String::new());
            };
            return Ok(text.clone());
        };
        let all: Vec<char> = alphabets.concat();
        let mut drawn = Vec::with_capacity(*length);
        if *require_each {
            for alphabet in alphabets.iter().take(*length) {
                drawn.push(alphabet[below(alphabet.len())?]);
            }
        }
        while drawn.len() < *length {
            drawn.push(all[below(all.len())?]);
        }
        // The required ones must not always stand first.
        for index in (1..drawn.len()).rev() {
            drawn.swap(index, below(index + 1)?);
        }
        let secret: String = drawn.into_iter().collect();
        Ok(match template {
            None => secret,
            Some((object, key)) => {
                let mut object = object.clone();
                object.insert(key.clone(), Value::String(secret));
                Value::Object(object).to_string()
            }
        })
    }

    /// The secret that `state` holds for a logical id, or a new one that it holds from now on. A text of the template
    /// is taken as it is now.
    ///
    /// # Errors
    /// When the state cannot be used, or there is no randomness.
    pub fn persisted(&self, logical_id: &str, state: &State) -> Result<String, SecretError> {
        const KIND: &str = "template-secret";
        if let Self::Text(text) = self {
            return Ok(text.clone());
        }
        if let Some(secret) = state.get(KIND, logical_id)? {
            return Ok(secret);
        }
        let secret = self.generate()?;
        state.put(KIND, logical_id, &secret)?;
        Ok(secret)
    }
}

/// A random number below `limit` (which is not 0), every one as likely.
fn below(limit: usize) -> Result<usize, getrandom::Error> {
    // 64 bits over at most a few thousand: what the remainder favours is far below what anyone can measure.
    Ok(usize::try_from(getrandom::u64()? % limit as u64).unwrap_or_default())
}

/// What the properties of a secret ask for; `None` was told.
pub(super) fn specification(mut fields: Fields<'_>) -> Option<SecretSpec> {
    let text = fields.text("SecretString");
    let generated = fields.object("GenerateSecretString").map(generated);
    fields.without_effect(&without_effect::SECRET);
    let specification = match (text, generated) {
        (Some(_), Some(_)) => {
            fields.wrong("SecretString", "it is there together with GenerateSecretString: only one can be")
        }
        (Some(text), None) => Some(SecretSpec::Text(text)),
        (None, Some(generated)) => generated,
        // AWS makes an empty secret, which whatever refers to it could not read.
        (None, None) => Some(SecretSpec::Text(String::new())),
    };
    fields.finish();
    specification
}

fn generated(mut fields: Fields<'_>) -> Option<SecretSpec> {
    let length = fields.integer("PasswordLength", LENGTH).unwrap_or(32);
    let excluded = fields.text("ExcludeCharacters").unwrap_or_default();
    let kinds = [
        ("ExcludeLowercase", ('a'..='z').collect::<Vec<_>>()),
        ("ExcludeUppercase", ('A'..='Z').collect()),
        ("ExcludeNumbers", ('0'..='9').collect()),
        ("ExcludePunctuation", PUNCTUATION.chars().collect()),
    ];
    let mut alphabets = Vec::new();
    for (key, mut alphabet) in kinds {
        alphabet.retain(|character| !excluded.contains(*character));
        if !fields.flag(key).unwrap_or_default() && !alphabet.is_empty() {
            alphabets.push(alphabet);
        }
    }
    if fields.flag("IncludeSpace").unwrap_or_default() {
        alphabets.push(vec![' ']);
    }
    let require_each = fields.flag("RequireEachIncludedType").unwrap_or(true);
    let template = template(&mut fields);
    if alphabets.is_empty() {
        fields.wrong_at(&fields.place, "it excludes every character");
    }
    let usable = !alphabets.is_empty();
    fields.finish();
    let length = usize::try_from(length).ok()?;
    usable.then_some(SecretSpec::Generated { length, alphabets, require_each, template })
}

fn template(fields: &mut Fields<'_>) -> Option<(Map<String, Value>, String)> {
    let template = fields.text("SecretStringTemplate");
    let key = fields.text("GenerateStringKey");
    match (template, key) {
        (Some(template), Some(key)) => match serde_json::from_str(&template) {
            Ok(object) => Some((object, key)),
            Err(error) => fields.wrong("SecretStringTemplate", format_args!("it is no JSON object: {error}")),
        },
        (None, None) => None,
        _ => fields.wrong("SecretStringTemplate", "it goes together with GenerateStringKey"),
    }
}

/// `value` with every dynamic reference in its strings replaced.
pub(super) fn with_secrets(scope: &Scope<'_>, value: Value, place: &Place) -> Value {
    match value {
        Value::String(text) if text.contains(OPENING) => {
            replaced(scope, &text, place).map_or(Value::Null, Value::String)
        }
        Value::Array(items) => items
            .into_iter()
            .enumerate()
            .map(|(index, item)| with_secrets(scope, item, &place.index(index)))
            .collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| {
                let value = with_secrets(scope, value, &place.key(&key));
                (key, value)
            })
            .collect(),
        other => other,
    }
}

fn replaced(scope: &Scope<'_>, text: &str, place: &Place) -> Option<String> {
    let mut output = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPENING) {
        let (reference, behind) = after
            .split_once("}}")
            .or_else(|| scope.wrong(place, "a dynamic reference ({{resolve:…}}) is not closed"))?;
        output.push_str(before);
        output.push_str(&dynamic_reference(scope, reference, place)?);
        rest = behind;
    }
    output.push_str(rest);
    Some(output)
}

/// `secretsmanager:<ARN or name>[:SecretString[:<JSON key>[:…]]]`.
fn dynamic_reference(scope: &Scope<'_>, reference: &str, place: &Place) -> Option<String> {
    let Some(reference) = reference.strip_prefix("secretsmanager:") else {
        let service = reference.split(':').next().unwrap_or_default();
        return scope.wrong(
            place,
            format_args!("{{{{resolve:{service}:…}}}} is not supported: use a parameter or a secret"),
        );
    };
    // An ARN has seven parts of its own.
    let parts: Vec<&str> = reference.split(':').collect();
    let own = if reference.starts_with("arn:") { 7 } else { 1 };
    let id = parts[..own.min(parts.len())].join(":");
    let key = parts.get(own + 1).copied().filter(|key| !key.is_empty());
    if let Some(form) = parts.get(own).filter(|form| !form.is_empty() && **form != "SecretString") {
        return scope.wrong(place, format_args!("a secret is read as SecretString, not as {form:?}"));
    }
    let secret = secret(scope, &id, place)?;
    let Some(key) = key else { return Some(secret) };
    let value = serde_json::from_str::<Value>(&secret).ok().and_then(|object| object.get(key).cloned());
    match value {
        Some(value) => Some(super::parameters::text(&value)),
        None => scope.wrong(place, format_args!("secret {id} holds no JSON object with the key {key:?}")),
    }
}

/// The value of the template's secret with this ARN or name.
fn secret(scope: &Scope<'_>, id: &str, place: &Place) -> Option<String> {
    const KIND: &str = "AWS::SecretsManager::Secret";
    let secrets = scope.template.resources.iter().filter(|(_, resource)| resource.kind == KIND);
    let found = secrets.filter(|(_, resource)| scope.exists(resource)).find(|(logical_id, resource)| {
        let name = scope.physical_name(logical_id, resource);
        name.is_some_and(|name| name == id || scope.arn_of(KIND, &name).is_some_and(|arn| arn == id))
    });
    let Some((logical_id, resource)) = found else {
        return scope.wrong(place, format_args!("{id:?} is no secret of this template"));
    };
    if let Some(known) = scope.secrets.borrow().get(logical_id) {
        return known.clone();
    }
    // A secret whose text refers to itself finds nothing the second time.
    scope.secrets.borrow_mut().insert(logical_id.clone(), None);
    let owner = resource.place(logical_id);
    let properties = Value::Object(scope.resolve_object(&resource.properties, &owner));
    let specification = specification(Fields::new(owner.clone(), properties, scope.problems))?;
    let value = match (scope.settings.secret)(logical_id, &specification) {
        Ok(value) => Some(value),
        Err(error) => scope.wrong(&owner, error),
    };
    scope.secrets.borrow_mut().insert(logical_id.clone(), value.clone());
    value
}

#[cfg(test)]
mod tests {
    use super::super::testing::{function, load};
    use super::*;

    fn spec(text: &str) -> SecretSpec {
        let problems = super::super::problem::Problems::default();
        let value = serde_yaml_ng::from_str(text).unwrap();
        let spec = specification(Fields::new(Place::new("s"), value, &problems)).unwrap();
        assert_eq!(problems.messages(), [""; 0]);
        spec
    }

    #[test]
    fn generated_secrets_keep_to_what_was_asked() {
        let spec = spec(
            "GenerateSecretString: {PasswordLength: 64, ExcludePunctuation: true, ExcludeCharacters: abc}",
        );
        let (one, other) = (spec.generate().unwrap(), spec.generate().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 64);
        assert!(one.chars().all(|c| c.is_ascii_alphanumeric() && !"abc".contains(c)), "{one}");
        for kind in [char::is_lowercase, char::is_uppercase, char::is_numeric] {
            assert!(one.chars().any(kind), "{one}");
        }
    }

    #[test]
    fn a_template_holds_the_secret_under_its_key() {
        let spec = spec(
            r#"GenerateSecretString: {SecretStringTemplate: '{"user":"me"}', GenerateStringKey: password, PasswordLength: 8}"#,
        );
        let object: Value = serde_json::from_str(&spec.generate().unwrap()).unwrap();
        assert_eq!(object["user"], "me");
        assert_eq!(object["password"].as_str().unwrap().len(), 8);
    }

    #[test]
    fn a_secret_is_generated_once() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        let spec = spec("GenerateSecretString: {}");
        let first = spec.persisted("Key", &state).unwrap();
        assert_eq!(spec.persisted("Key", &state).unwrap(), first);
        assert_ne!(spec.persisted("Other", &state).unwrap(), first);
    }

    const SECRET: &str = "
  Key: {Type: AWS::SecretsManager::Secret, Properties: {Name: k, SecretString: '{\"a\":\"b\"}'}}
";

    fn variable(expression: &str) -> String {
        let app = load(&format!("Resources:{SECRET}{}", function(&format!("V: {expression}")))).unwrap();
        app.functions[0].environment["V"].clone()
    }

    #[test]
    fn dynamic_references_read_by_arn_name_and_key() {
        assert_eq!(variable("!Sub '{{resolve:secretsmanager:${Key}}}'"), r#"{"a":"b"}"#);
        assert_eq!(variable("!Sub '<{{resolve:secretsmanager:${Key}:SecretString:a}}>'"), "<b>");
        assert_eq!(variable("'{{resolve:secretsmanager:k:SecretString:a::}}'"), "b");
    }

    #[test]
    fn dynamic_references_to_nothing_are_told() {
        let cases = [
            ("secretsmanager:other", r#""other" is no secret of this template"#),
            ("ssm:x", "{{resolve:ssm:…}} is not supported: use a parameter or a secret"),
            ("secretsmanager:k:SecretString:z", r#"secret k holds no JSON object with the key "z""#),
        ];
        for (reference, expected) in cases {
            let text =
                format!("Resources:{SECRET}{}", function(&format!("V: '{{{{resolve:{reference}}}}}'")));
            let errors = load(&text).unwrap_err();
            let place = "resource F (AWS::Serverless::Function), Environment.Variables.V";
            assert_eq!(errors.messages(), [format!("{place}: {expected}")]);
        }
    }
}
