//! From the command line to what a run is told.

use std::path::{Path, PathBuf};

use countersign::Secret;
use countersign_audit::{
    AuditError, Baseline, Destructive, Document, Keys, MAX_DOCUMENT_BYTES, Options, Settings, Supply,
    parse_document, parse_routes,
};
use countersign_gateway::config::{Environment as _, SystemEnvironment};

use crate::{
    arguments::{AuditArguments, AuditSupply},
    fetch,
};

use super::write;

pub(super) async fn from_arguments(arguments: &AuditArguments) -> Result<Options, AuditError> {
    let (mut settings, text, name) = match &arguments.config {
        Some(file) => {
            let settings = Settings::read(file)?;
            let text = std::fs::read_to_string(file).map_err(|source| unreadable(file, source))?;
            (settings, text, file.display().to_string())
        }
        None => (Settings::default(), String::new(), String::new()),
    };
    let beside = arguments.config.as_deref().and_then(Path::parent).unwrap_or_else(|| Path::new(""));
    let spec = arguments.spec.clone().or_else(|| settings.spec.as_ref().map(|spec| relative(beside, spec)));
    let routes =
        arguments.routes.clone().or_else(|| settings.routes.as_ref().map(|routes| beside.join(routes)));
    let document = document(spec.as_deref(), routes.as_deref()).await?;
    settings.check_against(&document, &name, &text)?;
    let target =
        arguments.target.clone().or_else(|| settings.base.clone()).ok_or_else(|| {
            AuditError::Usage("no service: give --target, or `base` in audit.toml".to_owned())
        })?;

    for service in &arguments.service {
        let (name, url) = service
            .split_once('=')
            .ok_or_else(|| AuditError::Usage(format!("`--service {service}` is not NAME=URL")))?;
        settings.add_service(name, url);
    }
    let mut options = Options::for_target(&target).document(document).settings(settings);
    if let Some(audience) = &arguments.audience {
        options = options.audience(audience.as_str());
    }
    options.supply = supply(arguments, &options)?;
    options.destructive = match (arguments.allow_destructive, arguments.safe_only) {
        (true, _) => Destructive::Full,
        (false, true) => Destructive::Off,
        (false, false) => Destructive::OwnOnly,
    };
    options.max_requests = arguments.max_requests;
    options.concurrency = usize::from(arguments.concurrency);
    options.rate = arguments.rate;
    options.own_hosts.clone_from(&arguments.i_own_this_host);
    options.baseline = arguments.baseline.as_deref().map(Baseline::read).transpose()?;
    options.patience = arguments.wait;
    options.control_socket.clone_from(&arguments.control_socket);
    for variable in options.settings.variables() {
        if let Some(value) = SystemEnvironment.variable(&variable) {
            options.environment.insert(variable, value);
        }
    }
    Ok(options)
}

/// A file stays where `audit.toml` says; a URL is one.
fn relative(beside: &Path, spec: &str) -> String {
    if spec.contains("://") { spec.to_owned() } else { beside.join(spec).display().to_string() }
}

fn unreadable(file: &Path, source: std::io::Error) -> AuditError {
    AuditError::Io { what: format!("cannot read {}", file.display()), source }
}

/// Reads the document from a file or URL, or the list of routes.
pub(super) async fn document(spec: Option<&str>, routes: Option<&Path>) -> Result<Document, AuditError> {
    let mut whole = Document::default();
    if let Some(spec) = spec {
        let bytes = match spec.parse::<http::Uri>() {
            Ok(uri) if uri.scheme().is_some() => {
                let fetched = fetch::get_at_most(&uri, MAX_DOCUMENT_BYTES)
                    .await
                    .map_err(|reason| AuditError::Unreachable(format!("{spec} {reason}")))?;
                if !fetched.status.is_success() {
                    return Err(AuditError::Unreachable(format!(
                        "{spec} answers {}",
                        fetched.status.as_u16()
                    )));
                }
                fetched.body.to_vec()
            }
            _ => bounded(Path::new(spec))?,
        };
        whole = parse_document(spec, &bytes)?;
    }
    if let Some(file) = routes {
        let name = file.display().to_string();
        let more = parse_routes(&name, &String::from_utf8_lossy(&bounded(file)?))?;
        if whole.file.is_empty() {
            whole.file = name;
        }
        for operation in more.operations {
            if !whole.operations.iter().any(|known| known.name() == operation.name()) {
                whole.operations.push(operation);
            }
        }
    }
    if whole.file.is_empty() {
        return Err(AuditError::Usage(
            "no document: give --spec FILE or URL, or --routes FILE, or `spec` in audit.toml".to_owned(),
        ));
    }
    Ok(whole)
}

/// A file that is too long is refused before it is read.
fn bounded(file: &Path) -> Result<Vec<u8>, AuditError> {
    let size = std::fs::metadata(file).map_err(|source| unreadable(file, source))?.len();
    if size > MAX_DOCUMENT_BYTES as u64 {
        return Err(AuditError::Usage(format!(
            "{} has {} MiB; at most {} MiB are read",
            file.display(),
            size >> 20,
            MAX_DOCUMENT_BYTES >> 20
        )));
    }
    std::fs::read(file).map_err(|source| unreadable(file, source))
}

/// The audit's own keys: kept in a file, or new, and then served or written.
fn own_key(arguments: &AuditArguments, settings: &Settings) -> Result<Supply, AuditError> {
    let listen = arguments.serve_jwks.or_else(|| settings.listen());
    let file = arguments.key.clone().or_else(|| settings.key_file().map(PathBuf::from));
    let keys = match (file, &arguments.write_jwks) {
        (Some(file), _) => Some(Keys::of_file(&file)?),
        (None, Some(_)) => Some(Keys::generate()?),
        (None, None) => None,
    };
    if let (Some(keys), Some(file)) = (&keys, &arguments.write_jwks) {
        write::file(file, &keys.key_set_json())?;
    }
    Ok(Supply::OwnKey { keys, listen })
}

fn supply(arguments: &AuditArguments, options: &Options) -> Result<Supply, AuditError> {
    let settings = &options.settings;
    let chosen = arguments.supply.unwrap_or_else(|| match settings.supply_name() {
        "gateway" => AuditSupply::Gateway,
        "shared-secret" => AuditSupply::SharedSecret,
        _ => AuditSupply::OwnKey,
    });
    let about_keys =
        arguments.key.is_some() || arguments.write_jwks.is_some() || arguments.serve_jwks.is_some();
    if chosen != AuditSupply::OwnKey && about_keys {
        let problem = "`--key`, `--write-jwks` and `--serve-jwks` are about the audit's own keys, which this supply does not use";
        return Err(AuditError::Usage(problem.to_owned()));
    }
    Ok(match chosen {
        AuditSupply::Gateway => Supply::Gateway,
        AuditSupply::OwnKey => own_key(arguments, settings)?,
        AuditSupply::SharedSecret => {
            let file = arguments.secret_file.clone().or_else(|| settings.secret_file().map(PathBuf::from));
            let bytes = match (file, settings.secret_env()) {
                (Some(file), _) => std::fs::read(&file).map_err(|source| unreadable(&file, source))?,
                (None, Some(variable)) => SystemEnvironment
                    .variable(variable)
                    .ok_or_else(|| AuditError::Usage(format!("`{variable}` is not set")))?
                    .into_bytes(),
                (None, None) => return Err(AuditError::Usage("no secret: give --secret-file".to_owned())),
            };
            Supply::SharedSecret(Secret::new(bytes.trim_ascii_end().to_vec()))
        }
    })
}
