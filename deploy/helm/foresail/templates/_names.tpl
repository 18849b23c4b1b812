{{- define "foresail.name" -}}
{{- if contains "foresail" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-foresail" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "foresail.account" -}}
{{- .Values.serviceAccount.name | default (include "foresail.name" .) -}}
{{- end }}

{{- define "foresail.selector" -}}
app.kubernetes.io/name: foresail
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "foresail.labels" -}}
{{ include "foresail.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: foresail
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* What the settings file says: what the chart knows, and on top of it what was given. */}}
{{- define "foresail.settings" -}}
{{- $settings := dict "listen" (printf "0.0.0.0:%v" .Values.service.port) "data" "/var/lib/foresail" "kubernetes" "inCluster" -}}
{{- $tokens := list -}}
{{- range .Values.authentication.tokens -}}
{{- $tokens = append $tokens (merge (dict "file" (printf "/etc/foresail/tokens/%s" .key)) (omit . "key")) -}}
{{- end -}}
{{- if $tokens }}{{ $_ := set $settings "authentication" (dict "tokens" $tokens) }}{{ else }}{{ $_ := set $settings "authentication" "none" }}{{ end -}}
{{- if .Values.externalMetrics.enabled -}}
{{- $service := dict "namespace" .Release.Namespace "name" (include "foresail.name" .) "port" 443 -}}
{{- $external := dict "listen" "0.0.0.0:8443" "service" $service -}}
{{- $_ := set $settings "externalMetrics" (mergeOverwrite $external .Values.externalMetrics.settings) -}}
{{- end -}}
{{- mergeOverwrite $settings .Values.settings | toYaml -}}
{{- end }}
