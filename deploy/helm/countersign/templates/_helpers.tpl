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

{{/* "true" if servers have nothing of their own, so that there may be several: accounts, spent
nonces and the encryption key are shared. */}}
{{- define "countersign.isShared" -}}
{{- if and .Values.database.existingSecret .Values.encryptionKey.existingSecret (has (.Values.settings.replay_guard | default "") (list "database" "redis")) -}}
true
{{- end -}}
{{- end -}}

{{/* Values that would take the service down, or make promises that it cannot keep. */}}
{{- define "countersign.check" -}}
{{- $most := ternary .Values.autoscaling.maxReplicas .Values.replicas .Values.autoscaling.enabled | int -}}
{{- $least := ternary .Values.autoscaling.minReplicas .Values.replicas .Values.autoscaling.enabled | int -}}
{{- if or (lt $least 1) (lt $most $least) -}}
{{- fail (printf "there would be %v to %v replicas, expected at least 1" $least $most) -}}
{{- end -}}
{{- if gt $most 1 -}}
{{- if not .Values.database.existingSecret -}}
{{- fail (printf "there would be up to %v replicas, and no database.existingSecret: an SQLite file has one server" $most) -}}
{{- end -}}
{{- if not .Values.encryptionKey.existingSecret -}}
{{- fail (printf "there would be up to %v replicas, and no encryptionKey.existingSecret: each would make one that the others do not have" $most) -}}
{{- end -}}
{{- if not (include "countersign.isShared" .) -}}
{{- fail (printf "there would be up to %v replicas, and settings.replay_guard is %q, expected \"database\" or \"redis\": each would accept tokens that the others have seen" $most (.Values.settings.replay_guard | default "durable")) -}}
{{- end -}}
{{- end -}}
{{- if and (eq (.Values.settings.replay_guard | default "") "redis") (not .Values.redis.existingSecret) (not .Values.settings.redis_url) -}}
{{- fail "settings.replay_guard is \"redis\", and there is no redis.existingSecret to say where that is" -}}
{{- end -}}
{{- range $name, $value := .Values.settings -}}
{{- if has $name (list "data_dir" "listen" "envoy_listen" "internal_listen" "internal_beyond_loopback" "tls_cert" "tls_key" "rules_file" "database_url" "encryption_key_file" "bootstrap_admin_public_key") -}}
{{- fail (printf "settings.%s is what the chart sets by itself: see persistence, service, tls, rules, database, encryptionKey and admin" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
