{{- define "botberi.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "botberi.labels" -}}
app.kubernetes.io/name: botberi
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end -}}

{{- define "botberi.selector" -}}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end -}}

{{- /* The pod's security: the restricted profile of Kubernetes' pod security standards. */ -}}
{{- define "botberi.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: { type: RuntimeDefault }
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "botberi.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end -}}

{{- /* Settings of a part: the environment, the files of its secrets, and its own values. */ -}}
{{- define "botberi.env" -}}
- { name: BOTBERI_ENV, value: prod }
- { name: BOTBERI_LOG_FORMAT, value: json }
- { name: BOTBERI_HOST, value: "0.0.0.0" }
{{- range $setting, $file := .part.secrets }}
- { name: {{ $setting }}, value: /run/secrets/botberi/{{ $file }} }
{{- end }}
{{- with .part.metrics }}
- { name: BOTBERI_METRICS_PORT, value: {{ . | quote }} }
{{- end }}
{{- if and .part.port (ne .name "flower") }}
- { name: BOTBERI_PORT, value: {{ .part.port | quote }} }
{{- end }}
{{- if has .name (list "identity" "catalog" "instance") }}
- { name: BOTBERI_ASSERTION_JWKS_URL, value: "http://{{ .root.Release.Name }}-gateway:8080/.well-known/jwks.json" }
{{- end }}
{{- if eq .name "gateway" }}
{{- $release := .root.Release.Name }}
{{- range $subgraph, $port := dict "identity" 8081 "catalog" 8082 "instance" 8083 }}
- { name: BOTBERI_{{ upper $subgraph }}_URL, value: "http://{{ $release }}-{{ $subgraph }}:{{ $port }}" }
{{- end }}
- { name: BOTBERI_TRUSTED_PROXIES, value: {{ join "," .root.Values.trustedProxies | quote }} }
- { name: BOTBERI_GRAPHIQL, value: {{ .root.Values.graphiql | quote }} }
- { name: BOTBERI_DOCUMENTS, value: {{ .root.Values.documents | quote }} }
{{- end }}
{{- if eq .name "identity-worker" }}
- { name: BOTBERI_MAIL_FROM, value: {{ .root.Values.mailFrom | quote }} }
{{- end }}
{{- if has .name (list "gateway" "instance" "identity" "identity-worker") }}
- { name: BOTBERI_PUBLIC_URL, value: {{ .root.Values.publicUrl | quote }} }
{{- end }}
{{- if .part.artifacts }}
{{- with .root.Values.artifacts }}
- { name: BOTBERI_ARTIFACTS_URL, value: {{ .url | quote }} }
{{- if hasPrefix "s3:" .url }}
- { name: BOTBERI_ARTIFACTS_S3_REGION, value: {{ .s3Region | quote }} }
{{- with .s3Endpoint }}
- { name: BOTBERI_ARTIFACTS_S3_ENDPOINT, value: {{ . | quote }} }
{{- end }}
{{- with .s3SecretName }}
- name: BOTBERI_ARTIFACTS_S3_ACCESS_KEY_ID
  valueFrom: { secretKeyRef: { name: {{ . }}, key: AWS_ACCESS_KEY_ID } }
- name: BOTBERI_ARTIFACTS_S3_SECRET_ACCESS_KEY
  valueFrom: { secretKeyRef: { name: {{ . }}, key: AWS_SECRET_ACCESS_KEY } }
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $value := .own }}
- { name: {{ $name }}, value: {{ $value | quote }} }
{{- end }}
{{- end -}}

{{- define "botberi.mounts" -}}
- { name: tmp, mountPath: /tmp }
- { name: state, mountPath: /var/lib/botberi }
- { name: secrets, mountPath: /run/secrets/botberi, readOnly: true }
{{- if and .part.artifacts .root.Values.artifacts.claimName }}
- { name: artifacts, mountPath: /var/lib/botberi/artifacts }
{{- end }}
{{- end -}}

{{- define "botberi.volumes" -}}
- name: tmp
  emptyDir: { sizeLimit: 1Gi }
- name: state
  emptyDir: { sizeLimit: 1Gi }
- name: secrets
  secret:
    secretName: {{ .root.Values.secretName }}
    defaultMode: 0440
    items:
      {{- range $file := uniq (values .part.secrets | sortAlpha) }}
      - { key: {{ $file }}, path: {{ $file }} }
      {{- end }}
{{- if and .part.artifacts .root.Values.artifacts.claimName }}
- name: artifacts
  persistentVolumeClaim: { claimName: {{ .root.Values.artifacts.claimName }} }
{{- end }}
{{- end -}}
