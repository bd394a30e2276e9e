//! Our Helm chart, rendered, and judged by the schemas of Kubernetes.

use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::environment::{repository, tool};
use crate::process::converse;

/// The oldest version of Kubernetes that `Chart.yaml` takes, and the newest that the judge
/// knows.
const VERSIONS: [&str; 2] = ["1.25", "1.37"];

/// What came out of the chart.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Rendered {
    /// Values that it does not take, and why.
    Refused {
        /// What the operator reads.
        refused: String,
    },
    /// Manifests, each good for every version.
    Manifests {
        /// As Kubernetes gets them.
        manifests: Vec<Value>,
        /// What `helm lint --strict` found.
        lint: Vec<Value>,
    },
}

impl Rendered {
    /// Renders the chart that we ship.
    ///
    /// # Errors
    /// If a manifest is not what Kubernetes takes; the error says what is wrong with it.
    pub fn with(values: &Value) -> Result<Self> {
        let mut judge = Command::new(tool("COUNTERSIGN_TEST_CONTAINERS")?);
        judge.arg(repository().join("interop/python/chart_judge.py"));
        judge.arg(repository().join("deploy/helm/countersign")).args(VERSIONS);
        converse(&mut judge, values)
    }

    /// The kinds of the manifests, in order of their names.
    pub fn kinds(&self) -> Vec<&str> {
        let mut kinds: Vec<_> =
            self.manifests().iter().filter_map(|manifest| manifest["kind"].as_str()).collect();
        kinds.sort_unstable();
        kinds
    }

    /// The one manifest of a kind.
    ///
    /// # Errors
    /// If there is none.
    pub fn manifest(&self, kind: &str) -> Result<&Value> {
        let found = self.manifests().iter().find(|manifest| manifest["kind"] == kind);
        found.with_context(|| format!("no {kind} in {self:?}"))
    }

    /// The container of the deployment.
    ///
    /// # Errors
    /// If there is no deployment.
    pub fn container(&self) -> Result<&Value> {
        Ok(&self.manifest("Deployment")?["spec"]["template"]["spec"]["containers"][0])
    }

    fn manifests(&self) -> &[Value] {
        match self {
            Self::Manifests { manifests, .. } => manifests,
            Self::Refused { .. } => &[],
        }
    }
}
