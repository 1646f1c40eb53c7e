//! IAM's identity policies: reading their statements, and judging one request by them.
//!
//! What is not understood is refused when it is read: a policy that is judged is judged whole.

use serde_json::{Map, Value};

/// One statement of a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    allows: bool,
    actions: Vec<String>,
    resources: Vec<String>,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq)]
struct Condition {
    operator: Operator,
    /// In lower case.
    key: String,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operator {
    StringEquals,
    StringLike,
}

/// What the keys of conditions are compared with: those that a request can say something of here.
const KEYS: [&str; 1] = [super::FROM_ADDRESS];

/// An action on a resource, with what conditions may ask of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Such as `dynamodb:GetItem`.
    pub action: String,
    /// An ARN, or `*` for an action that has no resource.
    pub resource: String,
    /// Keys of conditions, in lower case, with their values.
    pub context: Vec<(&'static str, String)>,
}

impl Asked {
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), context: Vec::new() }
    }
}

/// What policies say of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    /// No statement allows it.
    NotAllowed,
    /// A statement denies it, whatever others allow.
    Denied,
}

/// Judges a request by all statements that hold for who makes it. Their order means nothing.
pub fn judge(statements: &[Statement], asked: &Asked) -> Verdict {
    let fits = |allows: bool| statements.iter().any(|one| one.allows == allows && one.fits(asked));
    if fits(false) {
        Verdict::Denied
    } else if fits(true) {
        Verdict::Allowed
    } else {
        Verdict::NotAllowed
    }
}

/// The action and the resource, as the policy writes them, of each pair that allows a request.
pub(super) fn grants<'s>(statements: &'s [Statement], asked: &Asked) -> Vec<(&'s str, &'s str)> {
    let action = asked.action.to_lowercase();
    let fitting = statements.iter().filter(|one| one.allows && one.fits(asked));
    fitting
        .flat_map(Statement::pairs)
        .filter(|(one, of)| is_like(&one.to_lowercase(), &action) && is_like(of, &asked.resource))
        .collect()
}

impl Statement {
    /// Every action with every resource.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let of = |action| self.resources.iter().map(move |resource| (action, resource.as_str()));
        self.actions.iter().map(String::as_str).flat_map(of)
    }

    pub(super) fn allows(&self) -> bool {
        self.allows
    }

    /// A statement that allows each of `actions` on each of `resources`; both may have wildcards.
    pub fn allow(actions: Vec<String>, resources: Vec<String>) -> Self {
        Self { allows: true, actions, resources, conditions: Vec::new() }
    }

    /// The statements of a policy document without intrinsics.
    ///
    /// # Errors
    /// What is malformed, or not understood here.
    pub fn read(document: &Value) -> Result<Vec<Self>, String> {
        let document = document.as_object().ok_or("a policy document is a mapping")?;
        only(document, &["Id", "Statement", "Version"])?;
        match document.get("Version").and_then(Value::as_str) {
            Some("2012-10-17") => {}
            _ => return Err("Version must be \"2012-10-17\"".to_owned()),
        }
        match document.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().map(Self::read_one).collect(),
            Some(statement) => Ok(vec![Self::read_one(statement)?]),
            None => Err("a policy document has a Statement".to_owned()),
        }
    }

    fn read_one(statement: &Value) -> Result<Self, String> {
        let statement = statement.as_object().ok_or("a Statement is a mapping")?;
        only(statement, &["Action", "Condition", "Effect", "Resource", "Sid"])?;
        let allows = match statement.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err("Effect is Allow or Deny".to_owned()),
        };
        let (actions, resources) = (texts(statement, "Action")?, texts(statement, "Resource")?);
        if let Some(wrong) = actions.iter().find(|action| *action != "*" && !action.contains(':')) {
            return Err(format!("Action {wrong:?} names no service"));
        }
        if let Some(variable) = resources.iter().find(|resource| resource.contains("${")) {
            return Err(format!("Resource {variable:?}: policy variables are not supported"));
        }
        Ok(Self { allows, actions, resources, conditions: conditions(statement)? })
    }

    fn fits(&self, asked: &Asked) -> bool {
        let action = asked.action.to_lowercase();
        self.actions.iter().any(|pattern| is_like(&pattern.to_lowercase(), &action))
            && self.resources.iter().any(|pattern| is_like(pattern, &asked.resource))
            && self.conditions.iter().all(|condition| condition.holds(asked))
    }

    /// Puts another resource where exactly `named` stands: some names are known only when the resource is there.
    pub fn rename(&mut self, named: &str, real: &str) {
        for resource in self.resources.iter_mut().filter(|resource| *resource == named) {
            real.clone_into(resource);
        }
    }
}

impl Condition {
    /// Of a key that the request says nothing of, no condition holds.
    fn holds(&self, asked: &Asked) -> bool {
        let Some((_, value)) = asked.context.iter().find(|(key, _)| *key == self.key) else {
            return false;
        };
        self.values.iter().any(|wanted| match self.operator {
            Operator::StringEquals => wanted == value,
            Operator::StringLike => is_like(wanted, value),
        })
    }
}

fn only(map: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match map.keys().find(|key| !known.contains(&key.as_str())) {
        Some(unknown) => Err(format!("{unknown} is not supported")),
        None => Ok(()),
    }
}

fn texts(map: &Map<String, Value>, key: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("{key} is text, or a list of texts");
    let items = match map.get(key) {
        Some(Value::Array(items)) if !items.is_empty() => items.as_slice(),
        Some(item @ Value::String(_)) => std::slice::from_ref(item),
        _ => return Err(wrong()),
    };
    items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
}

fn conditions(statement: &Map<String, Value>) -> Result<Vec<Condition>, String> {
    let mut found = Vec::new();
    let Some(condition) = statement.get("Condition") else { return Ok(found) };
    for (name, keys) in condition.as_object().ok_or("Condition is a mapping")? {
        let operator = match name.as_str() {
            "StringEquals" => Operator::StringEquals,
            "StringLike" => Operator::StringLike,
            other => return Err(format!("Condition {other} is not supported")),
        };
        let keys = keys.as_object().ok_or("a Condition's operator takes a mapping")?;
        for key in keys.keys() {
            let lower = key.to_lowercase();
            if !KEYS.contains(&lower.as_str()) {
                return Err(format!("Condition on {key} is not supported"));
            }
            found.push(Condition { operator, key: lower, values: texts(keys, key)? });
        }
    }
    Ok(found)
}

/// Whether the text is what the pattern says, in which `*` is anything and `?` any one character.
fn is_like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut read) = (0, 0);
    // The last `*`, and the text that it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(c) if *c == '?' || *c == text[read] => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((place, taken)) = star else { return false };
                star = Some((place, taken + 1));
                at = place + 1;
                read = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn statements(statement: Value) -> Result<Vec<Statement>, String> {
        Statement::read(&json!({"Version": "2012-10-17", "Statement": statement}))
    }

    #[test]
    fn actions_are_compared_without_case_and_resources_with_it() {
        let allowed =
            statements(json!({"Effect": "Allow", "Action": "s3:get*", "Resource": "arn:b/?"})).unwrap();
        assert_eq!(judge(&allowed, &Asked::new("s3:GetObject", "arn:b/x")), Verdict::Allowed);
        assert_eq!(judge(&allowed, &Asked::new("s3:PutObject", "arn:b/x")), Verdict::NotAllowed);
        assert_eq!(judge(&allowed, &Asked::new("s3:GetObject", "arn:B/x")), Verdict::NotAllowed);
        assert_eq!(judge(&allowed, &Asked::new("s3:GetObject", "arn:b/xy")), Verdict::NotAllowed);
        assert_eq!(judge(&[], &Asked::new("s3:GetObject", "*")), Verdict::NotAllowed);
    }

    #[test]
    fn a_condition_holds_for_what_the_request_says_and_for_nothing_else() {
        let condition = json!({"StringEquals": {"ses:FromAddress": ["a@x", "b@x"]}});
        let statement =
            json!({"Effect": "Allow", "Action": "ses:*", "Resource": "*", "Condition": condition});
        let allowed = statements(statement).unwrap();
        let from = |address: &str| Asked {
            context: vec![(super::super::FROM_ADDRESS, address.to_owned())],
            ..Asked::new("ses:SendEmail", "arn")
        };
        assert_eq!(judge(&allowed, &from("b@x")), Verdict::Allowed);
        assert_eq!(judge(&allowed, &from("c@x")), Verdict::NotAllowed);
        assert_eq!(judge(&allowed, &Asked::new("ses:SendEmail", "arn")), Verdict::NotAllowed);
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        let with = |key: &str, value: Value| {
            let mut statement = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
            statement[key] = value;
            statements(statement).unwrap_err()
        };
        assert_eq!(with("NotAction", json!("s3:*")), "NotAction is not supported");
        assert_eq!(with("Effect", json!("allow")), "Effect is Allow or Deny");
        assert_eq!(with("Action", json!("GetObject")), "Action \"GetObject\" names no service");
        assert_eq!(with("Resource", json!([])), "Resource is text, or a list of texts");
        assert!(
            with("Resource", json!("arn/${aws:username}")).ends_with("policy variables are not supported")
        );
        let address = |operator: &str, key: &str| with("Condition", json!({operator: {key: "x"}}));
        assert_eq!(address("NumericEquals", "ses:FromAddress"), "Condition NumericEquals is not supported");
        assert_eq!(
            address("StringEquals", "aws:PrincipalTag/x"),
            "Condition on aws:PrincipalTag/x is not supported"
        );
        assert!(Statement::read(&json!({"Statement": []})).unwrap_err().contains("Version"));
    }

    /// The model: what a pattern says, read from its beginning.
    fn model_is_like(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|taken| model_is_like(rest, &text[taken..])),
            Some((c, rest)) => {
                text.split_first().is_some_and(|(t, more)| (*c == '?' || c == t) && model_is_like(rest, more))
            }
        }
    }

    fn arbitrary_statement() -> impl Strategy<Value = (bool, String, String)> {
        (any::<bool>(), "s:[ab*?]{0,3}", "[ab*?]{1,4}")
    }

    proptest! {
        #[test]
        fn judgements_are_those_of_the_model_in_any_order(
            policy in prop::collection::vec(arbitrary_statement(), 0..5).prop_shuffle(),
            action in "s:[ab]{0,3}",
            resource in "[ab]{0,4}",
        ) {
            let read = |order: &mut dyn Iterator<Item = &(bool, String, String)>| -> Vec<Statement> {
                let written = order.map(|(allows, action, resource)| {
                    let effect = if *allows { "Allow" } else { "Deny" };
                    json!({"Effect": effect, "Action": action, "Resource": resource})
                });
                statements(written.collect()).unwrap()
            };
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let fits = |pattern: &str, text: &str| model_is_like(&chars(pattern), &chars(text));
            let fitting = || policy.iter().filter(|(_, a, r)| fits(a, &action) && fits(r, &resource));
            let expected = if fitting().any(|(allows, ..)| !allows) {
                Verdict::Denied
            } else if fitting().next().is_some() {
                Verdict::Allowed
            } else {
                Verdict::NotAllowed
            };
            let asked = Asked::new(action.clone(), resource.clone());
            prop_assert_eq!(judge(&read(&mut policy.iter()), &asked), expected);
            prop_assert_eq!(judge(&read(&mut policy.iter().rev()), &asked), expected);
        }
    }
}
