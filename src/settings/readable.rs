//! What can be read of JSON that is wrong in places: all of it but those.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Names of members, and numbers of elements from 0 on, from the outermost inwards.
pub(super) type ValuePath = Vec<String>;

/// Reads a value whose members all have defaults. What is wrong within it is left out; where that stood is told besides.
pub(super) fn read<T: DeserializeOwned + Default>(mut value: Value) -> (T, Vec<ValuePath>) {
    let mut lost = Vec::new();
    prune(&mut value, &|value| serde_json::from_value::<T>(value).is_ok(), &mut Vec::new(), &mut lost);
    let whole = serde_json::from_value(value).unwrap_or_else(|_| {
        lost.push(ValuePath::new());
        T::default()
    });
    (whole, lost)
}

/// Takes out of a value what cannot be read, as little as possible. `reads` says whether it can be read where it stands.
fn prune(value: &mut Value, reads: &dyn Fn(Value) -> bool, path: &mut ValuePath, lost: &mut Vec<ValuePath>) {
    if reads(value.clone()) {
        return;
    }
    // Whether a part is kept; each is looked at by itself.
    let mut keeps = |name: String, part: &mut Value, around: &dyn Fn(Value) -> Value| {
        let part_reads = |part: Value| reads(around(part));
        if part_reads(part.clone()) {
            return true;
        }
        path.push(name);
        let nothing = match part {
            Value::Object(_) => json!({}),
            Value::Array(_) => json!([]),
            _ => Value::Null,
        };
        let is_container = !nothing.is_null();
        if is_container && part_reads(nothing) {
            prune(part, &part_reads, path, lost);
        } else {
            lost.push(path.clone());
        }
        path.pop();
        is_container && part_reads(part.clone())
    };
    match value {
        Value::Object(members) => {
            members.retain(|name, member| keeps(name.clone(), member, &|part| json!({ name: part })));
        }
        Value::Array(elements) => {
            let mut numbers = 0_usize..;
            elements.retain_mut(|element| {
                let number = numbers.next().unwrap_or_default();
                keeps(number.to_string(), element, &|part| json!([part]))
            });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    /// What is lost of `text`; all else is as it is without that.
    #[track_caller]
    fn check(text: &str, lost: &[&str], without: &str) {
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let (read, paths) = read::<Settings>(value(text));
        let told: Vec<_> = paths.iter().map(|path| path.join(".")).collect();
        assert_eq!(told, lost, "{text}");
        assert_eq!(read, serde_json::from_value::<Settings>(value(without)).unwrap(), "{text}");
    }

    #[test]
    fn only_what_is_wrong_is_lost() {
        check(r#"{"language":"pl"}"#, &[], r#"{"language":"pl"}"#);
        check(r#"{"unheard_of":[{}]}"#, &[], "{}");
        check(
            r#"{"window":{"theme":"neon","scale_percent":150},"language":"pl"}"#,
            &["window.theme"],
            r#"{"window":{"scale_percent":150},"language":"pl"}"#,
        );
        check(
            r#"{"shown":{"cameras":[1,-1,2,"3"]}}"#,
            &["shown.cameras.1", "shown.cameras.3"],
            r#"{"shown":{"cameras":[1,2]}}"#,
        );
        check(r#"{"cameras":{},"window":7,"language":"pl"}"#, &["cameras", "window"], r#"{"language":"pl"}"#);
        check(
            r#"{"cameras":[3,{"id":2,"source":"sim:","asked":{"fps":"fast","size":{"width":1},"n_buffers":2}}]}"#,
            &["cameras.0", "cameras.1.asked.fps", "cameras.1.asked.size"],
            r#"{"cameras":[{"id":2,"source":"sim:","asked":{"n_buffers":2}}]}"#,
        );
        check(
            r#"{"cameras":[{"control_presets":{"1":[{"id":1,"value":2},{"id":"x","value":2}],"one":[]}}]}"#,
            &["cameras.0.control_presets.1.1", "cameras.0.control_presets.one"],
            r#"{"cameras":[{"control_presets":{"1":[{"id":1,"value":2}]}}]}"#,
        );
        check(
            r#"{"new_camera":{"backend":"zzz"},"network":{"recent":["a",1]}}"#,
            &["network.recent.1", "new_camera.backend"],
            r#"{"network":{"recent":["a"]}}"#,
        );
    }

    /// One wrong value anywhere in a full file costs that value alone.
    #[test]
    fn any_member_can_be_wrong() {
        fn places(value: &Value, path: &str, found: &mut Vec<String>) {
            match value {
                Value::Object(members) if !members.is_empty() => {
                    members.iter().for_each(|(name, member)| places(member, &format!("{path}/{name}"), found));
                }
                Value::Array(elements) if !elements.is_empty() => {
                    (0..)
                        .zip(elements)
                        .for_each(|(n, element): (usize, _)| places(element, &format!("{path}/{n}"), found));
                }
                _ => found.push(path.to_owned()),
            }
        }
        let mut settings = Settings::default();
        settings.put(settings.camera("sim:"));
        settings.shown.cameras = settings.cameras.iter().map(|camera| camera.id).collect();
        let good = serde_json::to_value(&settings).unwrap();
        let mut found = Vec::new();
        places(&good, "", &mut found);
        assert!(found.len() > 60, "{found:?}");
        for place in found {
            let mut wrong = good.clone();
            // Nothing is of this shape.
            *wrong.pointer_mut(&place).unwrap() = json!({ "wrong": [[null]] });
            if serde_json::from_value::<Settings>(wrong.clone()).is_ok() {
                // A map or a list that is empty takes members; then only what is in it can be wrong.
                continue;
            }
            let (read, lost) = read::<Settings>(wrong);
            assert_eq!(lost.len(), 1, "{place}: {lost:?}");
            let told = format!("/{}", lost[0].join("/"));
            assert!(told == place || told == format!("{place}/wrong"), "{place}: {told}");
            let mut expected = good.clone();
            let (parent, name) = place.rsplit_once('/').unwrap();
            match expected.pointer_mut(parent).unwrap() {
                Value::Object(members) => drop(members.remove(name)),
                Value::Array(elements) => drop(elements.remove(name.parse().unwrap())),
                _ => panic!("{place}"),
            }
            assert_eq!(read, serde_json::from_value::<Settings>(expected).unwrap(), "{place}");
        }
    }
}
