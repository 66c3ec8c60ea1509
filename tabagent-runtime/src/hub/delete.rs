//! Deleting a model: never more than its own folder, and never anything outside the models folder.

use std::fs;

use super::{
    Hub, Reference,
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
        // What a killed pull had put aside would be back otherwise. Other names are not pulled.
        if model.parse::<Reference>().is_ok_and(|pulled| pulled.repository() == model) {
            folder.mend(&lock)?;
        }
        let place = folder.target();
        let found = fs::symlink_metadata(&place).map_err(|error| unusable(&place, &error))?;
        if found.is_symlink() {
            return fs::remove_file(&place).map_err(|error| unusable(&place, &error));
        }
        // Links on the way were followed and end below the models folder, as `resolve` holds.
        folder.delete(&id::resolve(folder.root(), model)?, &lock)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{device::Device, hub::HubOptions};

    fn model(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("config.json"), "{}").unwrap();
    }

    #[test]
    fn what_a_killed_pull_had_put_aside_does_not_come_back() {
        let models = tempfile::tempdir().unwrap();
        let hub = || Hub::new(models.path().to_owned(), Device::Cpu, HubOptions::default());
        let running = hub();
        model(&models.path().join("o/n"));
        model(&models.path().join(".pull/o--n/old"));
        running.delete("o/n").unwrap();
        let _next = hub();
        assert!(!models.path().join("o").exists());
        assert!(!models.path().join(".pull/o--n/old").exists());
    }

    #[test]
    fn a_name_that_looks_like_the_place_of_another_one_takes_nothing_from_it() {
        let models = tempfile::tempdir().unwrap();
        let hub = Hub::new(models.path().to_owned(), Device::Cpu, HubOptions::default());
        model(&models.path().join("o--n"));
        model(&models.path().join(".pull/o--n/old"));
        hub.delete("o--n").unwrap();
        assert!(models.path().join(".pull/o--n/old/config.json").exists());
    }

    #[test]
    fn a_model_that_a_killed_pull_had_put_aside_outlives_the_others_of_its_owner() {
        let models = tempfile::tempdir().unwrap();
        let hub = || Hub::new(models.path().to_owned(), Device::Cpu, HubOptions::default());
        let running = hub();
        model(&models.path().join("o/other"));
        model(&models.path().join(".pull/o--n/old"));
        running.delete("o/other").unwrap();
        assert!(!models.path().join("o").exists());
        let _next = hub();
        assert!(models.path().join("o/n/config.json").exists());
    }
}
