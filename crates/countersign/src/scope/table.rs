//! Which tables hold rows of organisations, and the names that may be used with them.

use std::{fmt, marker::PhantomData};

/// A table in which every row belongs to exactly one organisation.
///
/// All names are checked when the program is compiled: an identifier is a letter or `_`, then letters, digits and
/// `_`, at most 63 bytes of ASCII, and no column may be the organisation's.
///
/// ```
/// use countersign::scope::{Column, OrganisationTable};
///
/// struct Order;
///
/// impl OrganisationTable for Order {
///     const TABLE: &'static str = "orders";
///     const COLUMNS: &'static [&'static str] = &["id", "item", "quantity"];
/// }
///
/// impl Order {
///     const ITEM: Column<Self> = Column::named("item");
/// }
/// ```
///
/// A misspelt column does not compile:
///
/// ```compile_fail,E0080
/// use countersign::scope::{Column, OrganisationTable};
///
/// struct Order;
/// impl OrganisationTable for Order {
///     const TABLE: &'static str = "orders";
///     const COLUMNS: &'static [&'static str] = &["id", "item", "quantity"];
/// }
/// const ITEM: Column<Order> = Column::named("itme");
/// fn main() { println!("{:?}", ITEM); }
/// ```
///
/// Nor does one that is the organisation's, because nothing but the caller's token decides it:
///
/// ```compile_fail,E0080
/// use countersign::scope::{Column, OrganisationTable};
///
/// struct Order;
/// impl OrganisationTable for Order {
///     const TABLE: &'static str = "orders";
///     const COLUMNS: &'static [&'static str] = &["id", "organisation"];
/// }
/// const OWNER: Column<Order> = Column::named("organisation");
/// fn main() { println!("{:?}", OWNER); }
/// ```
pub trait OrganisationTable: Sized {
    /// The table's name, without schema.
    const TABLE: &'static str;
    /// The column that says whose a row is. Default `organisation`.
    const ORGANISATION_COLUMN: &'static str = "organisation";
    /// The column a row is found by. Default `id`.
    const KEY_COLUMN: &'static str = "id";
    /// The columns that are read, without the organisation's.
    const COLUMNS: &'static [&'static str];
}

/// One column of `T`, known to exist in its declaration.
pub struct Column<T> {
    pub(super) name: &'static str,
    table: PhantomData<fn() -> T>,
}

impl<T: OrganisationTable> Column<T> {
    /// The column of that name. Meant for a `const`: there a wrong name is an error of the compiler.
    ///
    /// # Panics
    /// If it is called when the program runs, with a name that [`OrganisationTable::COLUMNS`] does not have, or
    /// that is the organisation's.
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        assert!(Declaration::<T>::SOUND);
        assert!(contains(T::COLUMNS, name, Case::Exact), "the table declares no such column");
        Self { name, table: PhantomData }
    }

    /// The column's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }
}

impl<T> Clone for Column<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Column<T> {}

impl<T> fmt::Debug for Column<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The checked declaration of `T`.
pub(super) struct Declaration<T>(PhantomData<T>);

impl<T: OrganisationTable> Declaration<T> {
    /// Whether every name can stand in a statement and none but the organisation column names the organisation.
    /// Evaluating it stops the compilation otherwise.
    pub(super) const SOUND: bool = {
        assert!(is_identifier(T::TABLE), "the table's name is not an identifier");
        assert!(is_identifier(T::ORGANISATION_COLUMN), "the organisation column's name is not an identifier");
        assert!(is_identifier(T::KEY_COLUMN), "the key column's name is not an identifier");
        assert!(all_identifiers(T::COLUMNS), "a column's name is not an identifier");
        assert!(
            !contains(T::COLUMNS, T::ORGANISATION_COLUMN, Case::Ignored),
            "the organisation column must not be one of the columns"
        );
        assert!(contains(T::COLUMNS, T::KEY_COLUMN, Case::Exact), "the key column is not one of the columns");
        true
    };
}

/// The longest identifier `PostgreSQL` keeps whole.
const MAX_IDENTIFIER: usize = 63;

#[expect(
    clippy::indexing_slicing,
    reason = "`Iterator` and `get` are not const; every index is below the length"
)]
const fn is_identifier(name: &str) -> bool {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() > MAX_IDENTIFIER || bytes[0].is_ascii_digit() {
        return false;
    }
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_alphanumeric() && bytes[at] != b'_' {
            return false;
        }
        at += 1;
    }
    true
}

#[expect(
    clippy::indexing_slicing,
    reason = "`Iterator` and `get` are not const; every index is below the length"
)]
const fn all_identifiers(names: &[&str]) -> bool {
    let mut at = 0;
    while at < names.len() {
        if !is_identifier(names[at]) {
            return false;
        }
        at += 1;
    }
    true
}

#[derive(Clone, Copy)]
enum Case {
    Exact,
    /// `SQLite` takes `ID` and `id` for one column, so a forbidden name is forbidden in every case.
    Ignored,
}

#[expect(
    clippy::indexing_slicing,
    reason = "`Iterator` and `get` are not const; every index is below the length"
)]
const fn contains(names: &[&str], wanted: &str, case: Case) -> bool {
    let mut at = 0;
    while at < names.len() {
        let same_letters = names[at].eq_ignore_ascii_case(wanted);
        let same = match case {
            Case::Exact => same_letters && same_bytes(names[at].as_bytes(), wanted.as_bytes()),
            Case::Ignored => same_letters,
        };
        if same {
            return true;
        }
        at += 1;
    }
    false
}

#[expect(clippy::indexing_slicing, reason = "`==` on slices is not const; every index is below both lengths")]
const fn same_bytes(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut at = 0;
    while at < left.len() {
        if left[at] != right[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::is_identifier;

    #[test]
    fn an_identifier_cannot_leave_its_quotes() {
        for bad in ["", "1a", "a b", "a\"", "a.b", "a;--", "ä", "a-b", &"x".repeat(64)] {
            assert!(!is_identifier(bad), "{bad:?}");
        }
        for good in ["a", "_a1", "Order", &"x".repeat(63)] {
            assert!(is_identifier(good), "{good:?}");
        }
    }
}
