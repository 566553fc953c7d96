//! The order of map keys in go-yaml's output (`sorter.go`): numbers first, then strings with digits in natural order.

use crate::{Map, Value};

/// The entries of a map in the order in which go-yaml writes them.
///
/// go-yaml's comparison is not a total order for all strings, so keys are put in one by one rather than by `sort_by`,
/// which may panic then.
pub(crate) fn in_order(map: &Map) -> Vec<(&Value, &Value)> {
    let mut sorted: Vec<(&Value, &Value)> = Vec::with_capacity(map.len());
    for (key, value) in map {
        let at = sorted.partition_point(|(other, _)| !less(key, other));
        sorted.insert(at, (key, value));
    }
    sorted
}

fn less(a: &Value, b: &Value) -> bool {
    if let (Some(a_number), Some(b_number)) = (number(a), number(b)) {
        #[expect(clippy::float_cmp, reason = "as go-yaml does")]
        if a_number != b_number {
            return a_number < b_number;
        }
        return kind(a) < kind(b) || matches!((a, b), (Value::Int(a), Value::Int(b)) if a < b);
    }
    match (a, b) {
        (Value::String(a), Value::String(b)) => natural_less(a, b),
        _ => kind(a) < kind(b),
    }
}

/// Go's `reflect.Kind`, as far as keys have one.
fn kind(value: &Value) -> u8 {
    match value {
        Value::Bool(_) => 1,
        Value::Int(_) => 2,
        Value::UInt(_) => 11,
        Value::Float(_) => 14,
        Value::Null => 20,
        Value::Map(_) => 21,
        Value::Seq(_) => 23,
        Value::String(_) => 24,
    }
}

#[expect(clippy::cast_precision_loss, reason = "as go-yaml does")]
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Value::Int(number) => Some(*number as f64),
        Value::UInt(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

fn natural_less(a: &str, b: &str) -> bool {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let Some(at) = a.iter().zip(&b).position(|(a, b)| a != b) else {
        return a.len() < b.len();
    };
    let (a_letter, b_letter) = (a[at].is_alphabetic(), b[at].is_alphabetic());
    if a_letter && b_letter {
        return a[at] < b[at];
    }
    if a_letter || b_letter {
        return b_letter;
    }
    // After a digit other than 0, a zero is part of the number: both count as if they began with 1.
    let inside_number = (a[at] == '0' || b[at] == '0')
        && a[..at]
            .iter()
            .rev()
            .take_while(|character| character.is_numeric())
            .any(|digit| *digit != '0');
    let (a_number, a_end) = digits_from(&a, at, inside_number);
    let (b_number, b_end) = digits_from(&b, at, inside_number);
    if a_number != b_number {
        return a_number < b_number;
    }
    if a_end != b_end {
        return a_end < b_end;
    }
    a[at] < b[at]
}

fn digits_from(text: &[char], at: usize, inside_number: bool) -> (i64, usize) {
    let mut number = i64::from(inside_number);
    let mut end = at;
    while let Some(character) = text.get(end).filter(|character| character.is_numeric()) {
        let digit = i64::from(u32::from(*character)) - i64::from(u32::from('0'));
        number = number.wrapping_mul(10).wrapping_add(digit);
        end += 1;
    }
    (number, end)
}

#[cfg(test)]
mod tests {
    use super::in_order;
    use crate::{Map, Value};

    #[test]
    fn puts_numbers_before_strings_and_sorts_digits_as_numbers() {
        let keys = ["a10", "a2", "b", "a", "_x", "a-b", "ab", "A"].map(Value::from);
        let mut map: Map = keys.into_iter().map(|key| (key, Value::Null)).collect();
        map.insert(Value::Int(3), Value::Null);
        map.insert(Value::Bool(true), Value::Null);
        map.insert(Value::Null, Value::Null);
        let sorted: Vec<&Value> = in_order(&map).into_iter().map(|(key, _)| key).collect();
        let mut expected = vec![Value::Bool(true), Value::Int(3), Value::Null];
        expected.extend(["_x", "A", "a", "a-b", "a2", "a10", "ab", "b"].map(Value::from));
        assert_eq!(sorted, expected.iter().collect::<Vec<_>>());
    }
}
