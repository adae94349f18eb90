//! What several windows have changed in one settings file, each of which knows only its own changes.

use serde_json::{Map, Value};

use super::{CameraSettings, Settings};

/// `theirs`, with what was changed from `base` to `ours`. Where both have changed the same, it is as in `ours`. Cameras are told
/// apart by their number; none is ever taken out.
pub(super) fn merge(base: &Settings, ours: &Settings, theirs: &Settings) -> serde_json::Result<Settings> {
    // Order and selection belong to one window: of two, nobody would know the mixture.
    let shown = if ours.shown == base.shown { &theirs.shown } else { &ours.shown }.clone();
    let missing = ours.cameras.iter().filter(|camera| theirs.listed(camera.id).is_none());
    let theirs = Settings { cameras: theirs.cameras.iter().chain(missing).cloned().collect(), ..theirs.clone() };
    let (base, ours, theirs) = (by_number(base)?, by_number(ours)?, by_number(&theirs)?);
    let mut merged = merge_values(Some(&base), Some(&ours), Some(&theirs)).unwrap_or_default();
    if let Some(cameras) = merged.get_mut(CAMERAS) {
        let members = cameras.as_object().into_iter().flat_map(Map::values).cloned();
        *cameras = members.collect();
    }
    let mut merged: Settings = serde_json::from_value(merged)?;
    merged.shown = shown;
    merged.cameras.sort_by_key(|camera: &CameraSettings| camera.id);
    Ok(merged)
}

const CAMERAS: &str = "cameras";

/// The settings with cameras as members of an object, by their number.
fn by_number(settings: &Settings) -> serde_json::Result<Value> {
    let cameras: serde_json::Result<Map<_, _>> =
        settings.cameras.iter().map(|camera| Ok((camera.id.to_string(), serde_json::to_value(camera)?))).collect();
    let mut value = serde_json::to_value(Settings { cameras: Vec::new(), ..settings.clone() })?;
    if let Some(members) = value.as_object_mut() {
        members.insert(CAMERAS.to_owned(), Value::Object(cameras?));
    }
    Ok(value)
}

/// `None` is a member that is not there.
fn merge_values(base: Option<&Value>, ours: Option<&Value>, theirs: Option<&Value>) -> Option<Value> {
    if ours == base {
        return theirs.cloned();
    }
    match (ours, theirs) {
        _ if theirs == base => ours.cloned(),
        (Some(Value::Object(our_members)), Some(Value::Object(their_members))) => {
            let of_base = |name: &str| base.and_then(|base| base.get(name));
            let names = our_members.keys().chain(their_members.keys().filter(|name| !our_members.contains_key(*name)));
            let merged = names.filter_map(|name| {
                let value = merge_values(of_base(name), our_members.get(name), their_members.get(name))?;
                Some((name.clone(), value))
            });
            Some(Value::Object(merged.collect()))
        }
        (Some(Value::Array(our_words)), Some(Value::Array(their_words))) if our_words.iter().all(Value::is_string) => {
            let of_base = base.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let is_kept = |word: &&Value| their_words.contains(word) || !of_base.contains(word);
            let is_new = |word: &&Value| !our_words.contains(word) && !of_base.contains(word);
            Some(our_words.iter().filter(is_kept).chain(their_words.iter().filter(is_new)).cloned().collect())
        }
        _ => ours.cloned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_each_has_changed_is_kept() {
        #[track_caller]
        fn check(base: &Value, ours: &Value, theirs: &Value, expected: &Value) {
            let told = format!("{base} → {ours} and {theirs}");
            let merged = |ours, theirs| merge_values(Some(base), Some(ours), Some(theirs)).unwrap_or_default();
            assert_eq!(merged(ours, theirs), *expected, "{told}");
            // What nobody else has touched is as we want it, and what we have not touched as they do.
            assert_eq!(merged(ours, base), *ours, "{told}");
            assert_eq!(merged(base, theirs), *theirs, "{told}");
            assert_eq!(merged(ours, ours), *ours, "{told}");
        }
        let base = json!({ "a": 1, "b": { "c": 2, "d": 3 }, "list": [{}] });
        check(
            &base,
            &json!({ "a": 5, "b": { "c": 2, "d": 3 }, "list": [{}] }),
            &base,
            &json!({ "a": 5, "b": { "c": 2, "d": 3 }, "list": [{}] }),
        );
        check(
            &base,
            &json!({ "a": 1, "b": { "c": 5, "d": 3 }, "list": [{}] }),
            &json!({ "a": 7, "b": { "c": 2, "d": 8 }, "list": [{}] }),
            &json!({ "a": 7, "b": { "c": 5, "d": 8 }, "list": [{}] }),
        );
        check(&json!({ "a": 1 }), &json!({ "a": 2 }), &json!({ "a": 3 }), &json!({ "a": 2 }));
        // A name that was taken away, and one that was given.
        check(&json!({ "a": 1, "name": "x" }), &json!({ "a": 1 }), &json!({ "a": 2, "name": "x" }), &json!({ "a": 2 }));
        check(
            &json!({ "a": 1 }),
            &json!({ "a": 1, "b": 2 }),
            &json!({ "a": 1, "c": 3 }),
            &json!({ "a": 1, "b": 2, "c": 3 }),
        );
        // The newest addresses of both; what one has taken out is out.
        check(&json!(["a", "b"]), &json!(["x", "a", "b"]), &json!(["y", "a", "b"]), &json!(["x", "a", "b", "y"]));
        check(&json!(["a", "b"]), &json!(["a"]), &json!(["y", "a", "b"]), &json!(["a", "y"]));
        check(&json!(["a", "b"]), &json!(["x", "a", "b"]), &json!(["b"]), &json!(["x", "b"]));
        check(&json!([{ "id": 1 }]), &json!([{ "id": 2 }]), &json!([{ "id": 3 }]), &json!([{ "id": 2 }]));
    }
}
