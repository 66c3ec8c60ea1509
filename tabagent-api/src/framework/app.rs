//! An app: the routes of the named crates, their components and configuration, behind one router.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::{Method, Uri};
use serde_json::Value;

use super::component::{AppInner, AppState, Components};
use super::config::ApiConfig;
use super::layers::{self, route::guard};
use super::openapi::{self, Examples};
use super::pages::{self, Catalogue, Pages};
use super::problem::ProblemVariant;
use super::record::RouteMetadata;
use super::registry::{self, StartErrors};
use super::{ApiError, Problem};

/// Names the crates whose routes an app mounts.
///
/// Naming a crate links it (the linker drops one that nothing names) and is the allow-list: the routes of a dependency
/// that is not named are not mounted.
///
/// ```
/// # mod my_routes {}
/// # if false {
/// let app = tabagent_api::app! { crates: [tabagent_api] };
/// # let _ = app;
/// # }
/// ```
#[macro_export]
macro_rules! app {
    { crates: [$($name:ident),+ $(,)?] $(,)? } => {{
        $(#[allow(unused_imports, clippy::single_component_path_imports)] use $name as _;)+
        $crate::App::of(&[$(::core::stringify!($name)),+])
    }};
}

/// An app that is being put together. Made by [`app!`](crate::app!).
#[derive(Debug)]
pub struct App {
    crates: Vec<&'static str>,
    components: Components,
    config: ApiConfig,
    examples: Examples,
    pages: Pages,
}

impl App {
    /// An app of the routes of these crates. Use [`app!`](crate::app!), which also links them.
    #[doc(hidden)]
    pub fn of(crates: &[&'static str]) -> Self {
        Self {
            crates: crates.to_vec(),
            components: Components::default(),
            config: ApiConfig::default(),
            examples: Examples::default(),
            pages: Pages::new(),
        }
    }

    /// Provides a component.
    #[must_use]
    pub fn provide<T: Send + Sync + 'static>(mut self, component: T) -> Self {
        self.components.insert(component);
        self
    }

    /// Sets the configuration.
    #[must_use]
    pub fn configure(mut self, config: ApiConfig) -> Self {
        self.config = config;
        self
    }

    /// Shows these recorded responses in the document; see [`Examples`].
    #[must_use]
    pub fn examples(mut self, examples: Examples) -> Self {
        self.examples = examples;
        self
    }

    /// Adds pages that are not part of the API and need no key, such as a documentation viewer.
    #[must_use]
    pub fn pages(mut self, pages: Pages) -> Self {
        self.pages = self.pages.merge(pages);
        self
    }

    /// The routes that would be mounted, sorted by path and method.
    ///
    /// # Errors
    /// Every named crate that registers no route.
    pub fn routes(&self) -> Result<Vec<&'static RouteMetadata>, StartErrors> {
        registry::select(&self.crates).map_err(StartErrors)
    }

    /// The OpenAPI document, without starting anything.
    ///
    /// # Errors
    /// A named crate without routes; a schema name that two types claim; a default that breaks its field's rule.
    pub fn document(&self) -> Result<Value, StartErrors> {
        openapi::build(&self.routes()?, &self.config, &self.examples).map_err(StartErrors)
    }

    /// Mounts everything.
    ///
    /// # Errors
    /// All reasons why the routes cannot be served together, in one error.
    pub fn mount(self) -> Result<MountedApp, StartErrors> {
        let routes = self.routes()?;
        let mut errors = registry::check(&routes, &self.components, &self.pages.paths());
        let document = match openapi::build(&routes, &self.config, &self.examples) {
            Ok(document) => document,
            Err(found) => {
                errors.extend(found);
                Value::Null
            }
        };
        if !errors.is_empty() {
            return Err(StartErrors(errors));
        }
        let state = AppState { inner: AppInner { components: self.components, config: self.config }.into() };
        let mut router = Router::<AppState>::new();
        for route in &routes {
            let handler = (route.handler)().route_layer(from_fn_with_state((state.clone(), *route), guard));
            for path in route.paths() {
                router = router.route(path, handler.clone());
            }
        }
        let body = Bytes::from(serde_json::to_vec(&document).unwrap_or_default());
        // The state is given last: `Router<AppState>` lacks a state, `Router` is a service.
        let router = router
            .with_state(state.clone())
            .merge(pages::router(body, catalogue(&routes)))
            .merge(Router::from(self.pages))
            .fallback(async |uri: Uri| {
                ApiError::RouteNotFound { path: uri.path().to_owned() }.into_response()
            })
            .method_not_allowed_fallback(async |method: Method, uri: Uri| {
                ApiError::MethodNotAllowed { method: method.to_string(), path: uri.path().to_owned() }
                    .into_response()
            });
        Ok(MountedApp { router: layers::apply(router, &state), routes, document, examples: self.examples })
    }
}

/// The kinds of problems with the routes that can answer them; those of any route have none listed.
fn catalogue(routes: &[&'static RouteMetadata]) -> Catalogue {
    let mut catalogue = Catalogue::new();
    for kind in ApiError::VARIANTS.iter().flat_map(ProblemVariant::all_kinds) {
        catalogue.insert(kind.slug, (kind, Vec::new()));
    }
    for route in routes {
        for kind in route.problems.iter().flat_map(ProblemVariant::all_kinds) {
            catalogue.entry(kind.slug).or_insert_with(|| (kind, Vec::new())).1.push(route.to_string());
        }
    }
    catalogue
}

/// An app that can be served.
#[derive(Debug, Clone)]
pub struct MountedApp {
    /// The router with all layers; a service.
    pub router: Router,
    /// Its routes, sorted by path and method.
    pub routes: Vec<&'static RouteMetadata>,
    /// Its OpenAPI document.
    pub document: Value,
    /// The recorded responses that the document shows.
    pub examples: Examples,
}
