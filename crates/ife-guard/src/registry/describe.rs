//! Turns problems of a registry into errors with file, line and column.

use super::check::Problems;
use super::errors::{ERRORS_MAX, Problem, RegistryError, RegistryErrors};
use super::events::Position;
use super::locate;
use super::raw::SyntaxError;
use super::schema;

/// Returns the error of a text with too many directives, which is not parsed.
pub(super) fn excess_directive(file: &str, line: usize) -> RegistryErrors {
    let message = "too many YAML directives".to_owned();
    let hint = "remove the lines that begin with `%`".to_owned();
    let error = error(file, (line, 1), String::new(), message, Some(hint));
    finish(vec![error])
}

/// Returns the errors of a text that serde_yaml refused: all faults of its shape, or serde_yaml's
/// own message if it has none.
pub(super) fn structure(yaml: &str, file: &str, syntax: &SyntaxError) -> RegistryErrors {
    let found = locate::walk(yaml, [], Some(schema::REGISTRY));
    let mut errors: Vec<_> = found
        .faults
        .into_iter()
        .map(|fault| error(file, fault.position, fault.path, fault.message, fault.hint))
        .collect();
    if errors.is_empty() {
        let message = without_position(&syntax.message).to_owned();
        let hint = "check indentation, quotes and brackets near this place".to_owned();
        errors.push(error(
            file,
            syntax.location.unwrap_or((0, 0)),
            String::new(),
            message,
            Some(hint),
        ));
    }
    finish(errors)
}

/// Returns the errors of a text whose shape is right and whose meaning is not.
pub(super) fn problems(yaml: &str, file: &str, problems: Problems) -> RegistryErrors {
    let found = locate::walk(yaml, with_parents(&problems.first), None);
    let unlisted = problems.count - problems.first.len();
    let errors = problems
        .first
        .into_iter()
        .map(|p| {
            let position = nearest(&p.path, |path| found.positions.get(path).copied());
            error(file, position, p.path, p.message, p.hint)
        })
        .collect();
    let mut errors = finish(errors);
    errors.more += unlisted;
    errors
}

/// Returns the paths of the problems and of their parents: an absent member has no position.
fn with_parents(problems: &[Problem]) -> Vec<String> {
    problems
        .iter()
        .flat_map(|p| std::iter::successors(Some(p.path.as_str()), |path| parent(path)))
        .map(str::to_owned)
        .collect()
}

fn nearest(path: &str, position: impl Fn(&str) -> Option<Position>) -> Position {
    std::iter::successors(Some(path), |path| parent(path))
        .find_map(position)
        .unwrap_or((1, 1))
}

fn parent(path: &str) -> Option<&str> {
    path.rfind(['.', '[']).and_then(|end| path.get(..end))
}

fn error(
    file: &str,
    (line, column): Position,
    path: String,
    message: String,
    hint: Option<String>,
) -> RegistryError {
    RegistryError {
        file: file.to_owned(),
        line,
        column,
        path,
        message,
        hint,
    }
}

fn finish(mut errors: Vec<RegistryError>) -> RegistryErrors {
    errors.sort_by_key(|e| (e.line, e.column));
    let more = errors.len().saturating_sub(ERRORS_MAX);
    errors.truncate(ERRORS_MAX);
    RegistryErrors { errors, more }
}

/// Removes the end of serde_yaml's messages, " at line 3 column 5", which the error names itself.
fn without_position(message: &str) -> &str {
    message
        .rfind(" at line ")
        .and_then(|end| message.get(..end))
        .unwrap_or(message)
}
