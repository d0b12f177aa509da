//! Certificates and their keys, as the `openssl` program sees them.
//!
//! That program rather than a parser of ours: Apache's mod_ssl is built on the same library, so what one can read the
//! other can, encrypted keys and odd PEM files included. Where it is not installed the finding says so.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::finding::Findings;
use crate::apache::find_in_path;
use crate::error::Error;
use crate::sources::Given;

/// A certificate that ends sooner is worth a warning.
const SOON_DAYS: u64 = 21;

/// Looks at the files that the options of TLS name.
pub(super) fn survey(given: &Given, findings: &mut Findings) {
    let prefix = given.value("ssl-certificate");
    let file = |option: &str, suffix: &str| {
        given
            .value(option)
            .or_else(|| prefix.as_ref().map(|prefix| format!("{prefix}{suffix}")))
            .map(PathBuf::from)
    };
    let certificate = file("ssl-certificate-file", ".crt");
    let key = file("ssl-certificate-key-file", ".key");
    let others = ["ssl-certificate-chain-file", "ssl-ca-certificate-file"];
    let others: Vec<PathBuf> = others
        .iter()
        .filter_map(|option| given.value(option).map(PathBuf::from))
        .collect();
    if certificate.is_none() && key.is_none() && others.is_empty() {
        return;
    }
    let Some(openssl) = find_in_path(&["openssl"], &["/usr/bin"]) else {
        findings.warning(
            "certificate",
            "certificates are not looked at, as there is no `openssl` program",
            "install it to have them checked",
        );
        return;
    };
    let openssl = OpenSsl(openssl);
    let (certificate, key) = match (certificate, key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) => {
            others.iter().for_each(|file| openssl.dates(file, findings));
            return;
        }
        (certificate, _) => {
            let missing = if certificate.is_some() {
                "--ssl-certificate-key-file"
            } else {
                "--ssl-certificate-file"
            };
            return findings.error(
                "certificate",
                "a certificate and its key belong together",
                &format!("name the other one with `{missing}`"),
            );
        }
    };
    openssl.dates(&certificate, findings);
    openssl.pair(&certificate, &key, findings);
    others.iter().for_each(|file| openssl.dates(file, findings));
}

/// Refuses at a start what Apache's own test of the configuration does not look at: it would end in the middle of its
/// start, with lines of OpenSSL's. What has expired is served, and a key with a password is Apache's to ask for.
///
/// # Errors
/// The certificate cannot be read, or the key is another's.
pub(crate) fn refuse(certificate: &Path, key: &Path) -> Result<(), Error> {
    let Some(openssl) = find_in_path(&["openssl"], &["/usr/bin"]).map(OpenSsl) else {
        return Ok(());
    };
    let public = openssl.run(&["x509", "-noout", "-pubkey"], certificate);
    let public = public.map_err(|reason| {
        Error::Usage(format!(
            "`{}` cannot be read as a certificate: {reason}\nit has to be PEM, with the server's own certificate first",
            certificate.display()
        ))
    })?;
    match openssl.run(&["pkey", "-pubout", "-passin", "pass:"], key) {
        Ok(own) if own != public => Err(Error::Usage(format!(
            "`{}` is not the key of `{}`\nname the two that were made together",
            key.display(),
            certificate.display()
        ))),
        _ => Ok(()),
    }
}

struct OpenSsl(PathBuf);

impl OpenSsl {
    /// What it prints, or why it fails.
    fn run(&self, arguments: &[&str], file: &Path) -> Result<String, String> {
        let output = Command::new(&self.0)
            .args(arguments)
            .arg("-in")
            .arg(file)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            let told = text(&output.stderr);
            Err(told.lines().next().unwrap_or("it is none").to_owned())
        }
    }

    /// Whether a certificate can be read and is valid today.
    fn dates(&self, file: &Path, findings: &mut Findings) {
        let shown = file.display();
        let ends = match self.run(&["x509", "-noout", "-enddate"], file) {
            Ok(text) => text.trim_start_matches("notAfter=").to_owned(),
            Err(reason) => {
                return findings.error(
                    "certificate",
                    format!("`{shown}` cannot be read as a certificate: {reason}"),
                    "it has to be PEM, with the server's own certificate first",
                );
            }
        };
        let is_valid_in = |seconds: u64| {
            let seconds = seconds.to_string();
            self.run(&["x509", "-noout", "-checkend", &seconds], file)
                .is_ok()
        };
        if !is_valid_in(0) {
            findings.error(
                "certificate",
                format!("`{shown}` has expired: it was valid until {ends}"),
                "renew it",
            );
        } else if !is_valid_in(SOON_DAYS * 86_400) {
            findings.warning(
                "certificate",
                format!("`{shown}` expires within {SOON_DAYS} days: it is valid until {ends}"),
                "renew it soon",
            );
        } else {
            findings.ok("certificate", format!("`{shown}` is valid until {ends}"));
        }
    }

    /// Whether the key is the certificate's: both have the same public key.
    fn pair(&self, certificate: &Path, key: &Path, findings: &mut Findings) {
        let shown = key.display();
        // An empty password instead of a question: Apache would ask for one at each start.
        let own = self.run(&["pkey", "-pubout", "-passin", "pass:"], key);
        let own = match own {
            Ok(own) => own,
            Err(reason) => {
                return findings.error(
                    "key",
                    format!(
                        "`{shown}` cannot be read as a private key without a password: {reason}"
                    ),
                    "it has to be PEM; `openssl pkey -in KEY -out NEW` takes the password away",
                );
            }
        };
        match self.run(&["x509", "-noout", "-pubkey"], certificate) {
            Ok(public) if public == own => {
                findings.ok("key", format!("`{shown}` belongs to the certificate"));
            }
            Ok(_) => findings.error(
                "key",
                format!("`{shown}` is not the key of `{}`", certificate.display()),
                "name the two that were made together",
            ),
            // Told of already.
            Err(_) => {}
        }
        warn_if_open(key, findings);
    }
}

/// A key is nobody else's to read.
fn warn_if_open(key: &Path, findings: &mut Findings) {
    use std::os::unix::fs::MetadataExt as _;
    if let Ok(metadata) = std::fs::metadata(key)
        && metadata.mode() & 0o004 != 0
    {
        findings.warning(
            "key",
            format!("`{}` can be read by everybody", key.display()),
            "`chmod o-r` it: Apache reads it before it gives root's rights away",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    /// Makes a key and a certificate that is valid for so many days; false where there is no openssl.
    fn make(folder: &Path, name: &str, days: &str) -> bool {
        let file = |suffix: &str| folder.join(format!("{name}.{suffix}"));
        let run = |arguments: &[&str], files: &[(&str, PathBuf)]| {
            let mut command = Command::new("openssl");
            command.args(arguments).stderr(Stdio::null());
            for (option, file) in files {
                command.arg(option).arg(file);
            }
            command.status().is_ok_and(|status| status.success())
        };
        let (key, request) = (file("key"), file("csr"));
        let made = run(
            &[
                "req",
                "-new",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-subj",
                "/CN=x",
            ],
            &[("-keyout", key.clone()), ("-out", request.clone())],
        );
        // `req -x509` refuses certificates of the past; `x509 -req` makes them.
        made && run(
            &["x509", "-req", "-days", days],
            &[("-in", request), ("-signkey", key), ("-out", file("crt"))],
        )
    }

    #[test]
    fn certificates_that_have_ended_end_soon_or_have_another_key_are_told_of() {
        let here = tempfile::tempdir().unwrap();
        let folder = here.path();
        for (name, days) in [("good", "90"), ("soon", "3"), ("over", "-1")] {
            if !make(folder, name, days) {
                return;
            }
        }
        std::fs::write(folder.join("none.crt"), "nothing").unwrap();
        let openssl = OpenSsl("openssl".into());
        for (name, level) in [
            ("good", Level::Ok),
            ("soon", Level::Warning),
            ("over", Level::Error),
            ("none", Level::Error),
        ] {
            let mut findings = Findings::default();
            openssl.dates(&folder.join(format!("{name}.crt")), &mut findings);
            assert_eq!(findings.level(), level, "{name}: {:?}", findings.told());
        }
        for (key, level) in [
            ("good.key", Level::Ok),
            ("soon.key", Level::Error),
            ("none.crt", Level::Error),
        ] {
            let mut findings = Findings::default();
            openssl.pair(&folder.join("good.crt"), &folder.join(key), &mut findings);
            let pair = findings.told()[0].0;
            assert_eq!(pair, level, "{key}: {:?}", findings.told());
        }
    }
}
