//! Components: what handlers share, by type, built once at start.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::config::ApiConfig;
use super::extract::RouteInput;
use super::openapi::OperationBuilder;

/// Components by type.
#[derive(Default, Clone)]
pub struct Components {
    by_type: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl Components {
    /// Adds a component; a second one of the same type replaces the first.
    pub fn insert<T: Send + Sync + 'static>(&mut self, component: T) {
        self.by_type.insert(TypeId::of::<T>(), Arc::new(component));
    }

    /// The component of type `T`.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        Arc::clone(self.by_type.get(&TypeId::of::<T>())?).downcast().ok()
    }

    /// Whether a requirement is met.
    pub fn provides(&self, requirement: &ComponentRequirement) -> bool {
        self.by_type.contains_key(&requirement.type_id)
    }
}

impl fmt::Debug for Components {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Components({})", self.by_type.len())
    }
}

/// A type that a route reads from the components.
#[derive(Debug, Clone, Copy)]
pub struct ComponentRequirement {
    /// The type.
    pub type_id: TypeId,
    /// Its name, for the message when nobody provided it.
    pub type_name: &'static str,
}

impl ComponentRequirement {
    /// The requirement of a `T`.
    pub fn of<T: 'static>() -> Self {
        Self { type_id: TypeId::of::<T>(), type_name: type_name::<T>() }
    }
}

/// The state of every handler: the components and the configuration.
#[derive(Debug, Clone)]
pub struct AppState {
    pub(crate) inner: Arc<AppInner>,
}

#[derive(Debug)]
pub(crate) struct AppInner {
    pub(crate) components: Components,
    pub(crate) config: ApiConfig,
}

impl AppState {
    /// The component of type `T`.
    pub fn component<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.inner.components.get()
    }

    /// The configuration.
    pub fn config(&self) -> &ApiConfig {
        &self.inner.config
    }
}

/// A component, as an argument of a handler.
///
/// An app whose routes read a component that nobody provided does not start, so this extractor does not fail.
#[derive(Debug)]
pub struct Component<T>(pub Arc<T>);

impl<T> Deref for Component<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Send + Sync + 'static> FromRequestParts<AppState> for Component<T> {
    type Rejection = super::ApiError;

    async fn from_request_parts(_: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        state.component().map(Self).ok_or_else(|| super::ApiError::Internal {
            reason: format!("nobody provided the component {}", type_name::<T>()),
        })
    }
}

impl<T: Send + Sync + 'static> RouteInput for Component<T> {
    fn describe(_: &mut OperationBuilder) {}

    fn components(list: &mut Vec<ComponentRequirement>) {
        list.push(ComponentRequirement::of::<T>());
    }
}

/// The error of a route that cannot fail.
impl super::Problem for Infallible {
    const NAME: &'static str = "Infallible";
    const VARIANTS: &'static [super::ProblemVariant] = &[];

    fn kind(&self) -> &'static super::ProblemKind {
        match *self {}
    }
}
