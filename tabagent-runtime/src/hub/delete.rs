//! Deleting a model: never more than its own folder, and never anything outside the models folder.

use std::fs;

use super::{
    Hub,
    folder::{Folder, unusable},
};
use crate::{
    error::{BackendError, Result},
    models::{Catalog, id},
};

impl Hub {
    /// Whether a model is one that can be deleted.
    ///
    /// # Errors
    /// [`BackendError::ModelNotFound`]; [`BackendError::InvalidInput`] of `model_id` for a model inside the binary.
    pub fn deletable(&self, model: &str) -> Result<()> {
        if Catalog::new(self.inner.models_dir.clone()).get(model)?.embedded() {
            let reason = format!("`{model}` is inside the program and cannot be deleted");
            return Err(BackendError::invalid("model_id", reason));
        }
        Ok(())
    }

    /// Deletes a model from the models folder. A link to a model goes, and what it leads to stays.
    ///
    /// # Errors
    /// As [`Hub::deletable`]; [`BackendError::ResourceLimitExceeded`] where it is being pulled;
    /// [`BackendError::ConfigurationError`] where the folder cannot be changed.
    pub fn delete(&self, model: &str) -> Result<()> {
        self.deletable(model)?;
        let folder = Folder::open(&self.inner.models_dir, model)?;
        let lock = folder.lock()?;
        let place = folder.target();
        let found = fs::symlink_metadata(&place).map_err(|error| unusable(&place, &error))?;
        if found.is_symlink() {
            return fs::remove_file(&place).map_err(|error| unusable(&place, &error));
        }
        // Links on the way were followed and end below the models folder, as `resolve` holds.
        folder.delete(&id::resolve(folder.root(), model)?, &lock)
    }
}
