//! The registry: which of the linked routes an app mounts, in a fixed order, and whether they can live together.

use std::collections::BTreeMap;
use std::fmt;

use super::component::Components;
use super::pages;
use super::problem::{ProblemVariant, duplicate_kinds};
use super::record::{Method, RouteMetadata};

/// Why an app does not start. Every reason is found before any is reported.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the app cannot start:{}", list(.0))]
pub struct StartErrors(pub Vec<StartError>);

fn list(errors: &[StartError]) -> String {
    errors.iter().map(|error| format!("\n  - {error}")).collect()
}

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartError {
    /// A crate is named and registers no route.
    CrateWithoutRoutes {
        /// The crate.
        name: String,
    },
    /// Two routes claim paths that a request could not tell apart.
    Overlap {
        /// The first, with its place.
        first: String,
        /// The second, with its place.
        second: String,
    },
    /// A page beside the API has a path that a route or another page claims.
    PageOverlap {
        /// Path of the page.
        page: String,
        /// What else claims it, with its place.
        other: String,
    },
    /// Two routes have one operation id.
    OperationDuplicate {
        /// The id.
        id: String,
        /// The first, with its place.
        first: String,
        /// The second, with its place.
        second: String,
    },
    /// A route reads a component that nobody provided.
    ComponentMissing {
        /// The route, with its place.
        route: String,
        /// The type.
        type_name: &'static str,
    },
    /// Two types claim one schema name.
    SchemaDuplicate {
        /// The name.
        name: String,
        /// The first type.
        first: String,
        /// The second type.
        second: String,
    },
    /// What stands where a field is absent breaks the field's own rule.
    DefaultInvalid {
        /// The type of which it is a field.
        type_name: String,
        /// The field's name on the wire.
        field: String,
        /// Which rule.
        message: String,
    },
    /// Two different kinds of problem claim one page.
    ProblemDuplicate {
        /// The last segment of their `type`.
        slug: String,
        /// Title of the first.
        first: String,
        /// Title of the second.
        second: String,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CrateWithoutRoutes { name } => {
                write!(
                    f,
                    "the crate `{name}` is named in `app!` and registers no route; remove it from the list, or check that its `#[route]` fns are compiled in"
                )
            }
            Self::Overlap { first, second } => write!(
                f,
                "[route::route-duplicate] {first} and {second} match the same requests; change one path, or give their parameters one name"
            ),
            Self::PageOverlap { page, other } => write!(
                f,
                "the page {page} has its path to itself, whatever the method, and {other} claims it too; change the other path"
            ),
            Self::OperationDuplicate { id, first, second } => write!(
                f,
                "two routes have the operation id `{id}`: {first} and {second}; rename one fn, or set `operation_id`"
            ),
            Self::ComponentMissing { route, type_name } => {
                write!(
                    f,
                    "{route} needs a component of type {type_name} and nobody provides one; call `.provide(..)` on the app"
                )
            }
            Self::SchemaDuplicate { name, first, second } => write!(
                f,
                "[route::schema-duplicate] two types claim the schema name `{name}`: {first} and {second}; rename one, or give it `#[rule(name = \"OtherName\")]`"
            ),
            Self::DefaultInvalid { type_name, field, message } => write!(
                f,
                "the default of `{field}` in {type_name} breaks the field's own rule, so that a request without the field is refused: {message}; change the default, or remove it to make the field required"
            ),
            Self::ProblemDuplicate { slug, first, second } => write!(
                f,
                "two kinds of problem claim the page /problems/{slug}: `{first}` and `{second}`; set `slug` on one"
            ),
        }
    }
}

fn place(route: &RouteMetadata) -> String {
    format!("{route} ({})", route.source)
}

/// The routes of the named crates, sorted by path and method.
///
/// A crate that is linked and not named contributes nothing: a dependency cannot add a route by itself.
pub(crate) fn select(crates: &[&str]) -> Result<Vec<&'static RouteMetadata>, Vec<StartError>> {
    let mut routes: Vec<&'static RouteMetadata> = inventory::iter::<RouteMetadata>
        .into_iter()
        .filter(|route| crates.contains(&route.source.crate_name()))
        .collect();
    routes.sort_by_key(|route| (route.path, route.method));
    let silent: Vec<StartError> = crates
        .iter()
        .filter(|name| !routes.iter().any(|route| route.source.crate_name() == **name))
        .map(|name| StartError::CrateWithoutRoutes { name: (*name).to_owned() })
        .collect();
    if silent.is_empty() { Ok(routes) } else { Err(silent) }
}

/// Everything about the routes together that no single compilation could see.
pub(crate) fn check(
    routes: &[&'static RouteMetadata],
    components: &Components,
    pages: &[String],
) -> Vec<StartError> {
    let mut errors = overlaps(routes);
    errors.extend(page_overlaps(routes, pages));
    let mut operations = BTreeMap::new();
    for route in routes {
        if let Some(first) = operations.insert(route.operation_id, *route) {
            errors.push(StartError::OperationDuplicate {
                id: route.operation_id.to_owned(),
                first: place(first),
                second: place(route),
            });
        }
        let mut needed = Vec::new();
        (route.components)(&mut needed);
        errors.extend(needed.iter().filter(|requirement| !components.provides(requirement)).map(
            |requirement| StartError::ComponentMissing {
                route: place(route),
                type_name: requirement.type_name,
            },
        ));
    }
    let own = <super::ApiError as super::Problem>::VARIANTS;
    let variants =
        own.iter().chain(routes.iter().flat_map(|route| route.problems)).collect::<Vec<&ProblemVariant>>();
    errors.extend(duplicate_kinds(variants).into_iter().map(|(first, second)| {
        StartError::ProblemDuplicate {
            slug: second.slug.to_owned(),
            first: first.title.to_owned(),
            second: second.title.to_owned(),
        }
    }));
    errors
}

/// Pairs of routes that cannot live together: the same method and path twice, or paths that part at a parameter.
///
/// The router branches where paths first differ, and holds one parameter a branch. So paths are grouped by what stands in
/// front of each of their parameters, and only those of one group with different parameters are compared.
fn overlaps(routes: &[&'static RouteMetadata]) -> Vec<StartError> {
    let mut same: BTreeMap<(&str, Method), Vec<&RouteMetadata>> = BTreeMap::new();
    let mut branches: BTreeMap<&str, BTreeMap<&str, Vec<Claim<'_>>>> = BTreeMap::new();
    for route in routes {
        for path in route.paths() {
            same.entry((path, route.method)).or_default().push(route);
            for (before, parameter) in parameters(path) {
                branches.entry(before).or_default().entry(parameter).or_default().push((route, path));
            }
        }
    }
    let twice = same.iter().flat_map(|((path, _), routes)| {
        pairs(routes).map(move |(first, second)| overlap((first, path), (second, path)))
    });
    let parting = branches.values().flat_map(|parameters| {
        let groups: Vec<&Vec<Claim<'_>>> = parameters.values().collect();
        pairs(&groups)
            .flat_map(|(left, right)| {
                left.iter().flat_map(|first| right.iter().map(|second| overlap(*first, *second)))
            })
            .collect::<Vec<_>>()
    });
    twice.chain(parting).collect()
}

/// A route and one of its paths.
type Claim<'a> = (&'a RouteMetadata, &'a str);

fn overlap(first: Claim<'_>, second: Claim<'_>) -> StartError {
    let name = |(route, path): Claim<'_>| format!("{} {path} ({})", route.method, route.source);
    StartError::Overlap { first: name(first), second: name(second) }
}

/// All pairs of a slice, each once.
fn pairs<T: Copy>(items: &[T]) -> impl Iterator<Item = (T, T)> {
    items
        .iter()
        .enumerate()
        .flat_map(|(index, first)| items[index + 1..].iter().map(|second| (*first, *second)))
}

/// The parameters of a path, each with what stands in front of it.
fn parameters(path: &str) -> impl Iterator<Item = (&str, &str)> {
    path.match_indices("/{").map(|(slash, _)| {
        let start = slash + 1;
        let end = path[start..].find('/').map_or(path.len(), |length| start + length);
        (&path[..start], &path[start..end])
    })
}

/// Pages that meet a route or another page; the built-in ones are always there.
fn page_overlaps(routes: &[&'static RouteMetadata], added: &[String]) -> Vec<StartError> {
    let pages: Vec<&str> = pages::PATHS.into_iter().chain(added.iter().map(String::as_str)).collect();
    let meet = |first: &str, second: &str| first == second || conflict(first, second);
    let mut errors = Vec::new();
    for (index, page) in pages.iter().enumerate() {
        let met = routes.iter().flat_map(|route| {
            route
                .paths()
                .filter(|path| meet(page, path))
                .map(move |path| format!("the route {} {path} ({})", route.method, route.source))
        });
        let others = pages[index + 1..].iter().filter(|other| meet(page, other));
        errors.extend(
            met.chain(others.map(|other| format!("the page {other}")))
                .map(|other| StartError::PageOverlap { page: (*page).to_owned(), other }),
        );
    }
    errors
}

/// Whether the router cannot hold both paths: at the first segment where they part, both have a parameter.
///
/// `/x/{a}` and `/x/y` live together (the literal wins), `/x/{a}` and `/x/{b}` do not, whatever their methods.
fn conflict(first: &str, second: &str) -> bool {
    let mut left = first.split('/');
    let mut right = second.split('/');
    loop {
        match (left.next(), right.next()) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => return a.starts_with('{') && b.starts_with('{'),
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{StartError, conflict, page_overlaps};

    #[test]
    fn pages_have_their_paths_to_themselves() {
        let paths = ["/metrics", "/problems/{name}", "/metrics", "/problems/all"].map(str::to_owned);
        let overlaps = page_overlaps(&[], &paths);
        let overlap = |page: &str, other: &str| StartError::PageOverlap {
            page: page.to_owned(),
            other: format!("the page {other}"),
        };
        assert_eq!(
            overlaps,
            [overlap("/problems/{slug}", "/problems/{name}"), overlap("/metrics", "/metrics")]
        );
    }

    #[test]
    fn paths_that_part_at_a_parameter_conflict() {
        assert!(conflict("/x/{a}", "/x/{b}"));
        assert!(conflict("/x/{a}/y", "/x/{b}/z"));
        assert!(conflict("/x/{*rest}", "/x/{id}"));
        assert!(!conflict("/x/{a}", "/x/y"));
        assert!(!conflict("/x/{*rest}", "/x"));
        assert!(!conflict("/x/{a}/y", "/x/{a}/z"));
    }
}
