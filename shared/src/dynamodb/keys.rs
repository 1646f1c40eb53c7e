//! The keys of the notes table, read back.

use crate::attachment::ObjectKey;
use crate::note::Id;
use crate::owner::Owner;

/// What an item of the notes table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemKey {
    Note { owner: Owner, id: Id },
    Attachment(ObjectKey),
    Settings { owner: Owner },
}

impl ItemKey {
    /// Reads a partition key and a sort key; `None` for those of no item of ours.
    pub fn parse(pk: &str, sk: &str) -> Option<Self> {
        Self::of(Owner::new(pk.strip_prefix("OWNER#")?).ok()?, sk)
    }

    /// Reads a sort key of `owner`'s partition.
    pub fn of(owner: Owner, sk: &str) -> Option<Self> {
        if let Some(id) = sk.strip_prefix("NOTE#") {
            return Some(Self::Note { owner, id: Id::parse(id)? });
        }
        if let Some(ids) = sk.strip_prefix("ATTACHMENT#") {
            let (note_id, attachment_id) = ids.split_once('#')?;
            let (note_id, attachment_id) = (Id::parse(note_id)?, Id::parse(attachment_id)?);
            return Some(Self::Attachment(ObjectKey { owner, note_id, attachment_id }));
        }
        (sk == "SETTINGS").then_some(Self::Settings { owner })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{attachment_key, note_key, owner_key};
    use super::*;
    use crate::timestamp::Timestamp;

    #[test]
    fn every_key_leads_back_to_its_item() {
        let owner = Owner::new("a#b").unwrap();
        let pk = owner_key(&owner);
        let (id, attachment_id) = (Id::new(Timestamp::from_millis(1)), Id::new(Timestamp::from_millis(2)));
        assert_eq!(ItemKey::parse(&pk, &note_key(id)), Some(ItemKey::Note { owner: owner.clone(), id }));
        assert_eq!(
            ItemKey::parse(&pk, &attachment_key(id, attachment_id)),
            Some(ItemKey::Attachment(ObjectKey { owner: owner.clone(), note_id: id, attachment_id }))
        );
        assert_eq!(ItemKey::parse(&pk, "SETTINGS"), Some(ItemKey::Settings { owner }));
    }

    #[test]
    fn other_keys_are_nobodys() {
        for (pk, sk) in [("OWNER#", "SETTINGS"), ("X#a", "SETTINGS"), ("OWNER#a", "NOTE#1"), ("OWNER#a", "")]
        {
            assert_eq!(ItemKey::parse(pk, sk), None, "{pk} {sk}");
        }
    }
}
