"""Renders a Helm chart, and judges what comes out by the schemas of Kubernetes.

usage: chart_judge.py CHART VERSION... < VALUES

VALUES is a JSON object of values; VERSIONs are those of Kubernetes. It prints what `helm
lint` says, and either the manifests or why there are none.
"""

import json
import sys

import helm_python
import kubernetes_validate
import yaml

# What `helm lint` calls a hint; all that is worse is a finding.
INFO = 1


def judge(chart, versions, values):
    manifests = render(chart, values)
    for manifest in manifests:
        for version in versions:
            kubernetes_validate.validate(manifest, version, strict=True)
    report = helm_python.lint(chart, values, strict=True)
    findings = [found for found in report["messages"] if found["severity"] != INFO]
    return {"manifests": manifests, "lint": findings + report["errors"]}


def render(chart, values):
    with helm_python.Chart.load(chart) as loaded:
        rendered = loaded.render(values, name="release", namespace="default")
    texts = (text for path, text in rendered.items() if path.endswith(".yaml"))
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


try:
    answer = judge(sys.argv[1], sys.argv[2:], json.load(sys.stdin))
except helm_python.HelmError as error:
    answer = {"refused": str(error)}
print(json.dumps(answer))
