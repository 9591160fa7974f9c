{{- define "simplane.name" -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{- end }}
{{- define "simplane.selector" -}}
app.kubernetes.io/name: simplane
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "simplane.labels" -}}
{{ include "simplane.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
{{- define "simplane.functions" -}}{{ .Values.functionNamespace | default .Release.Namespace }}{{- end }}
{{- define "simplane.peers" -}}
{{- $n := include "simplane.name" . -}}
{{- $d := printf "%s-peers.%s.svc.%s" $n .Release.Namespace .Values.clusterDomain -}}
{{- printf "%s-0.%s:6222,%s-1.%s:6222,%s-2.%s:6222" $n $d $n $d $n $d -}}
{{- end }}
