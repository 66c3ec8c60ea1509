//! Deleting a model: never more than its own folder, and never anything outside the models folder.

use std::{fs, io::ErrorKind};

use super::{
    Hub, Reference,
    folder::{self, Folder, unusable},
    lock::Lock,
};
use crate::{
    error::{BackendError, Result},
    models::{Catalog, id},
};

/// A model that is to be deleted. Nobody else changes it meanwhile.
#[derive(Debug)]
pub(crate) struct Deletion {
    folder: Folder,
    lock: Lock,
    model: String,
}

impl Hub {
    /// Deletes a model from the models folder, with what an interrupted pull of it left. A link to a model goes, and what it
    /// leads to stays.
    ///
    /// # Errors
    /// [`BackendError::ModelNotFound`]; [`BackendError::InvalidInput`] of `model_id` for a model inside the binary;
    /// [`BackendError::ResourceLimitExceeded`] where it is being pulled; [`BackendError::ConfigurationError`] where the folder
    /// cannot be changed.
    pub fn delete(&self, model: &str) -> Result<()> {
        self.prepare_delete(model)?.carry_out()
    }

    /// Sees to it that a model can be deleted, and that nobody pulls it meanwhile.
    ///
    /// # Errors
    /// Those of [`Hub::delete`].
    pub(crate) fn prepare_delete(&self, model: &str) -> Result<Deletion> {
        let models_dir = &self.inner.models_dir;
        match Catalog::new(models_dir.clone()).get(model) {
            Ok(entry) if entry.embedded() => {
                let reason = format!("`{model}` is inside the program and cannot be deleted");
                return Err(BackendError::invalid("model_id", reason));
            }
            Err(BackendError::ModelNotFound { .. })
                if is_pulled(model) && folder::has_remains(models_dir, model) => {}
            found => drop(found?),
        }
        let folder = Folder::open(models_dir, model)?;
        let lock = folder.lock()?;
        Ok(Deletion { folder, lock, model: model.to_owned() })
    }
}

impl Deletion {
    /// Deletes it.
    ///
    /// # Errors
    /// [`BackendError::ConfigurationError`] where the folder cannot be changed.
    pub(crate) fn carry_out(self) -> Result<()> {
        let Self { folder, lock, model } = &self;
        if is_pulled(model) {
            // What a killed pull had put aside would be back otherwise.
            folder.mend(lock)?;
            folder.clear(lock)?;
        }
        let place = folder.target();
        match fs::symlink_metadata(&place) {
            Ok(found) if found.is_symlink() => {
                fs::remove_file(&place).map_err(|error| unusable(&place, &error))
            }
            // Links on the way were followed and end below the models folder, as `resolve` holds.
            Ok(_) => folder.delete(&id::resolve(folder.root(), model)?, lock),
            // There was no more of it than a part.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(unusable(&place, &error)),
        }
    }
}

/// Whether a name is one that a pull may have; other models have no place among the pulls.
fn is_pulled(model: &str) -> bool {
    model.parse::<Reference>().is_ok_and(|pulled| pulled.repository() == model)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        device::Device,
        hub::{HubOptions, Interrupted},
    };

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
    fn what_an_interrupted_pull_left_goes_too() {
        let models = tempfile::tempdir().unwrap();
        let hub = Hub::new(models.path().to_owned(), Device::Cpu, HubOptions::default());
        let part = models.path().join(".pull/o--n/parts/a");
        for whole in [false, true] {
            fs::create_dir_all(part.parent().unwrap()).unwrap();
            fs::write(&part, [1; 100]).unwrap();
            if whole {
                model(&models.path().join("o/n"));
            }
            assert_eq!(hub.interrupted(), [Interrupted { model: "o/n".to_owned(), bytes: 100 }]);
            hub.delete("o/n").unwrap();
            assert!(!part.exists() && !models.path().join("o").exists());
            assert_eq!(hub.interrupted(), []);
        }
        assert!(matches!(hub.delete("o/n"), Err(BackendError::ModelNotFound { .. })));
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
