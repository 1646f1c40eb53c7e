//! The pictures, as `peers/pictures.py` made them.

use std::io::{Error, Result};
use std::path::{Path, PathBuf};

pub(crate) struct Picture {
    pub(crate) class: String,
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// What a thumbnail of 320 pixels should look like.
    pub(crate) reference: PathBuf,
}

/// Those whose class or name has `only` in it.
pub(crate) fn read(directory: &Path, only: Option<&str>) -> Result<Vec<Picture>> {
    let index = std::fs::read_to_string(directory.join("pictures.tsv"))?;
    let picture = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [class, name, reference] = fields[..] else {
            return Err(Error::other(format!("no picture: {line}")));
        };
        Ok(Picture {
            class: class.to_owned(),
            name: name.to_owned(),
            path: directory.join(name),
            reference: directory.join(reference),
        })
    };
    let mut pictures = index.lines().map(picture).collect::<Result<Vec<_>>>()?;
    if let Some(only) = only {
        pictures.retain(|picture| picture.class.contains(only) || picture.name.contains(only));
    }
    if pictures.is_empty() { Err(Error::other("there is no such picture")) } else { Ok(pictures) }
}

/// The classes, in the order in which they come.
pub(crate) fn classes(pictures: &[Picture]) -> Vec<&str> {
    let mut classes: Vec<&str> = pictures.iter().map(|picture| picture.class.as_str()).collect();
    classes.dedup();
    classes
}
