//! Notes: one text for each title of an organisation.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use countersign::{
    HasRole, InOrganisation,
    axum::ProtectedRouter,
    scope::{Column, Delete, Direction, Insert, OrganisationTable, Select, Update, sqlite::ScopedPool},
};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, Row, sqlite::SqliteRow};

use super::{Built, Editor, Parts, answer::Problem, authenticate, database, openapi, received::received};

/// Two organisations may have a note of the same title: unique is organisation and title together.
const SCHEMA: &str = "
CREATE TABLE notes (
    id INTEGER PRIMARY KEY,
    organisation TEXT NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (organisation, title)
);
INSERT INTO notes (organisation, title, text) VALUES
    ('acme', 'Delivery', 'The canyon entrance, never the tunnel: it is painted on.'),
    ('globex', 'Delivery', 'Ask for Scorpio at the gate.'),
    ('globex', 'Holidays', 'Everybody gets the afternoon off.');
";

#[derive(Serialize)]
struct Note {
    id: i64,
    title: String,
    text: String,
}

impl OrganisationTable for Note {
    const TABLE: &'static str = "notes";
    const COLUMNS: &'static [&'static str] = &["id", "title", "text"];
}

impl Note {
    const TITLE: Column<Self> = Column::named("title");
    const TEXT: Column<Self> = Column::named("text");
}

impl FromRow<'_, SqliteRow> for Note {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self { id: row.try_get("id")?, title: row.try_get("title")?, text: row.try_get("text")? })
    }
}

pub(crate) async fn router(parts: &Parts<'_>) -> Built {
    let notes = database(&parts.folder.join("notes.db"), SCHEMA).await?;
    let notes = ScopedPool::new(notes).declare::<Note>().await?;
    let router = ProtectedRouter::new()
        .route("/notes/", get(list).post(create))
        .route("/notes/received", get(received))
        .route("/notes/{id}", get(read).put(change).delete(remove))
        .public_route(openapi::PATH, get(openapi::notes))
        .build(&authenticate("notes", parts)?, &[openapi::PATH])?;
    Ok(router.with_state(notes))
}

async fn list(of: InOrganisation, State(notes): State<ScopedPool>) -> Result<Json<Vec<Note>>, Problem> {
    let select = Select::all().order_by(Note::TITLE, Direction::Ascending).limit(100);
    Ok(Json(notes.within(&of).all(select).await?))
}

async fn read(
    of: InOrganisation,
    State(notes): State<ScopedPool>,
    Path(id): Path<i64>,
) -> Result<Json<Note>, Problem> {
    notes.within(&of).find(id).await?.map(Json).ok_or(Problem::NotFound)
}

#[derive(Deserialize)]
struct NoteText {
    title: String,
    text: String,
}

impl NoteText {
    fn check(self) -> Result<Self, Problem> {
        if self.title.trim().is_empty() || self.title.len() > 200 || self.text.len() > 10_000 {
            return Err(Problem::Invalid(
                "a note has a title of at most 200 bytes and at most 10,000 bytes of text",
            ));
        }
        Ok(self)
    }
}

async fn create(
    _: HasRole<Editor>,
    of: InOrganisation,
    State(notes): State<ScopedPool>,
    Json(note): Json<NoteText>,
) -> Result<(StatusCode, Json<Note>), Problem> {
    let note = note.check()?;
    let insert = Insert::new().set(Note::TITLE, note.title.trim()).set(Note::TEXT, note.text);
    Ok((StatusCode::CREATED, Json(notes.within(&of).insert(insert).await?)))
}

/// The change and what is read after it are one unit of work.
async fn change(
    _: HasRole<Editor>,
    of: InOrganisation,
    State(notes): State<ScopedPool>,
    Path(id): Path<i64>,
    Json(note): Json<NoteText>,
) -> Result<Json<Note>, Problem> {
    let note = note.check()?;
    let mut work = notes.within(&of).begin().await?;
    let update = Update::<Note>::by_key(id).set(Note::TITLE, note.title.trim()).set(Note::TEXT, note.text);
    work.update(update).await?;
    let changed = work.find(id).await?.ok_or(Problem::NotFound)?;
    work.commit().await?;
    Ok(Json(changed))
}

async fn remove(
    _: HasRole<Editor>,
    of: InOrganisation,
    State(notes): State<ScopedPool>,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    match notes.within(&of).delete(Delete::<Note>::by_key(id)).await? {
        0 => Err(Problem::NotFound),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}
