{{/* The name that everything has. */}}
{{- define "countersign.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods; it cannot change in an upgrade. */}}
{{- define "countersign.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "countersign.labels" -}}
{{ include "countersign.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "countersign.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "countersign.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "countersign.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* A probe: its path, and when it is made. */}}
{{- define "countersign.probe" -}}
httpGet:
  path: {{ .root.Values.settings.url_prefix | default "" | trimSuffix "/" }}{{ .path }}
  port: http
  scheme: {{ ternary "HTTPS" "HTTP" (ne .root.Values.tls.existingSecret "") }}
{{ toYaml .times }}
{{- end -}}

{{/* The settings file. A number is a float to Helm, and none to the server. */}}
{{- define "countersign.settings" -}}
{{- range $name, $value := .Values.settings }}
{{ $name }} = {{ if kindIs "float64" $value }}{{ int64 $value }}{{ else }}{{ toJson $value }}{{ end }}
{{- end }}
{{- end -}}

{{/* Values that would take the service down, or make promises that it cannot keep. */}}
{{- define "countersign.check" -}}
{{- if ne (int .Values.replicas) 1 -}}
{{- fail (printf "replicas is %v, expected 1: one server uses a data directory or a database, and a second one would accept tokens that the first has seen" .Values.replicas) -}}
{{- end -}}
{{- with .Values.autoscaling -}}
{{- if and .enabled (or (ne (int .minReplicas) 1) (ne (int .maxReplicas) 1)) -}}
{{- fail (printf "autoscaling goes from %v to %v replicas, expected 1: one server uses a data directory or a database" .minReplicas .maxReplicas) -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := .Values.settings -}}
{{- if has $name (list "data_dir" "listen" "envoy_listen" "internal_listen" "internal_beyond_loopback" "tls_cert" "tls_key" "rules_file" "database_url" "encryption_key_file" "bootstrap_admin_public_key") -}}
{{- fail (printf "settings.%s is what the chart sets by itself: see persistence, service, tls, rules, database, encryptionKey and admin" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
