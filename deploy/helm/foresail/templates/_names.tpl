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
{{- if .Values.engine.enabled -}}
{{- $write := dict "url" (required "engine.writeUrl: where samples are sent by remote write" .Values.engine.writeUrl) -}}
{{- $query := dict "url" (required "engine.queryUrl: what stands before /api/v1/query" .Values.engine.queryUrl) -}}
{{- $storage := dict "kind" "prometheus" "write" $write "query" $query -}}
{{- /* A queue in a folder that ends with the pod keeps no promise. */ -}}
{{- if not .Values.persistence.enabled }}{{ $_ := set $storage "queueBytes" 0 }}{{ end -}}
{{- if .Values.engine.existingSecret }}{{ $_ := set $storage "bearerTokenFile" "/etc/foresail/engine/token" }}{{ end -}}
{{- $_ := set $settings "storage" (mergeOverwrite $storage .Values.engine.settings) -}}
{{- end -}}
{{- if gt (int .Values.replicas) 1 }}{{ $_ := set $settings "coordination" (dict "kind" "lease") }}{{ end -}}
{{- mergeOverwrite $settings .Values.settings | toYaml -}}
{{- end }}

{{- /* The rights that discovery takes: an endpoint slice is told with its service and its pods. Nodes are in no namespace. */}}
{{- define "foresail.scrapeRules" }}
{{- $roles := .Values.rbac.scrape.roles }}
{{- $core := list }}
{{- if or (has "pod" $roles) (has "endpointslice" $roles) }}{{ $core = append $core "pods" }}{{ end }}
{{- if or (has "service" $roles) (has "endpointslice" $roles) }}{{ $core = append $core "services" }}{{ end }}
{{- if and (has "node" $roles) (not .Values.rbac.scrape.namespaces) }}{{ $core = append $core "nodes" }}{{ end }}
{{- if $core }}
- apiGroups: [""]
  resources: [{{ join ", " $core }}]
  verbs: [list, watch]
{{- end }}
{{- if has "endpointslice" $roles }}
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
{{- end }}
{{- end }}
