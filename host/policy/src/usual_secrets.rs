//! What looks like a secret by its name, and so never leaves the machine: no policy says otherwise.

use globset::{GlobSet, GlobSetBuilder};

use crate::uploads::{Case, compile};

/// Names, at any depth, that stand for all below them too: what the lists of gitleaks, of GitHub's gitignore templates and
/// of the programs that write these files have.
const NAMES: &[&str] = &[
    // Variables.
    ".env",
    ".env.*",
    "*.env",
    ".envrc",
    ".dev.vars",
    ".dev.vars.*",
    ".streamlit/secrets.toml",
    // Passwords and tokens of programs.
    ".netrc",
    "_netrc",
    ".git-credentials",
    ".npmrc",
    ".pypirc",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".gem/credentials",
    ".composer/auth.json",
    ".m2/settings.xml",
    ".m2/settings-security.xml",
    ".pgpass",
    "pgpass.conf",
    ".my.cnf",
    ".mylogin.cnf",
    ".htpasswd",
    ".vault-token",
    ".vault_pass*",
    ".password-store",
    "*.kdbx",
    ".config/gh/hosts.yml",
    ".codex/auth.json",
    ".claude/.credentials.json",
    // Clouds and clusters.
    ".aws",
    ".azure/accessTokens.json",
    ".azure/msal_token_cache.*",
    ".config/gcloud",
    ".boto",
    ".s3cfg",
    "credentials.json",
    "application_default_credentials.json",
    "client_secret*.json",
    "service-account*.json",
    "service_account*.json",
    ".docker/config.json",
    ".dockercfg",
    ".kube",
    "kubeconfig",
    "*.kubeconfig",
    ".terraform",
    ".terraformrc",
    "terraform.rc",
    "credentials.tfrc.json",
    "*.tfstate",
    "*.tfstate.*",
    "*.tfvars",
    "*.tfvars.json",
    // Keys.
    ".ssh",
    ".gnupg",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "*.pem",
    "*.key",
    "*.p8",
    "*.p12",
    "*.pfx",
    "*.ppk",
    "*.jks",
    "*.keystore",
    // What was typed.
    ".bash_history",
    ".zsh_history",
    ".psql_history",
    ".mysql_history",
    // The repository's settings may have a password in them, and the policy says where secrets are.
    ".git",
    "sandpiper.toml",
];

/// What is written to be shown, though it has such a name.
const SHOWN: &[&str] = &[
    ".env.example",
    ".env.sample",
    ".env.template",
    ".env.dist",
    ".env.defaults",
    "example.env",
    "sample.env",
    "template.env",
    ".dev.vars.example",
    "id_*.pub",
];

/// The names, compiled.
#[derive(Clone, Debug)]
pub(crate) struct UsualSecrets {
    names: GlobSet,
    shown: GlobSet,
}

impl UsualSecrets {
    pub(crate) fn new() -> Result<Self, globset::Error> {
        Ok(Self { names: together(NAMES)?, shown: together(SHOWN)? })
    }

    /// The name by which a path, or a directory that it is in, looks like a secret.
    pub(crate) fn name_of(&self, path: &str) -> Option<&'static str> {
        let ends = path.match_indices('/').map(|(slash, _)| slash).chain([path.len()]);
        ends.filter_map(|end| path.get(..end))
            .filter(|path| !self.shown.is_match(path))
            .find_map(|path| NAMES.get(*self.names.matches(path).first()?).copied())
    }
}

fn together(names: &[&str]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for name in names {
        set.add(compile(&format!("**/{name}"), Case::Any)?);
    }
    set.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_told_at_any_depth_in_any_case_and_below_it() {
        let secrets = UsualSecrets::new().unwrap();
        for path in [
            ".env",
            "a/.ENV",
            ".env.production",
            "prod.env",
            ".env/x",
            "app/.ssh/config",
            ".ssh/id_rsa.pub",
            "id_rsa",
            "a/id_ed25519",
            "id_ecdsa.bak",
            "server.pem",
            "tls/Server.KEY",
            ".cargo/credentials.toml",
            "x/.docker/config.json",
            ".aws/credentials",
            ".terraform/x",
            "terraform.tfstate",
            "terraform.tfstate.backup",
            "service-account-prod.json",
            "credentials.json",
            ".git/config",
            ".git-credentials",
            "sandpiper.toml",
            // The name of a directory says nothing of what is in it.
            ".env.example/.env",
        ] {
            assert!(secrets.name_of(path).is_some(), "{path}");
        }
        assert_eq!(secrets.name_of("a/.ENV.local/b"), Some(".env.*"));
    }

    #[test]
    fn sources_and_examples_do_not_look_like_secrets() {
        let secrets = UsualSecrets::new().unwrap();
        for path in [
            ".env.example",
            "app/.env.sample",
            "id_rsa.pub",
            "src/env.rs",
            "environment.py",
            "src/credentials.rs",
            "src/key.rs",
            "keys/mod.rs",
            "config.json",
            ".docker/Dockerfile",
            ".cargo/config.toml",
            "package.json",
            ".github/workflows/ci.yml",
            ".gitignore",
            "main.tf",
            "test_service_account.py",
            "api_key.py",
        ] {
            assert_eq!(secrets.name_of(path), None, "{path}");
        }
    }
}
