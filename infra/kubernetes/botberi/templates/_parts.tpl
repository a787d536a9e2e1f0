{{- /*
What each part is, as the code has it: its command, the port it answers on, its probes, the files of the Secret that it
needs (name of the setting: file), and what it talks to. Values say how many, how large, and further settings.
*/ -}}
{{- define "botberi.parts" -}}
gateway:
  command: [botberi, gateway]
  port: 8080
  live: /health
  ready: /ready
  secrets:
    BOTBERI_AMQP_URL_FILE: gateway_amqp_url
    BOTBERI_ARTIFACTS_SECRET_FILE: artifacts_secret
    BOTBERI_ASSERTION_PRIVATE_KEY_FILE: assertion_key.pem
  artifacts: true
  talksTo: [subgraphs, rabbitmq, s3]
identity:
  command: [botberi, identity]
  port: 8081
  live: /health
  ready: /health
  secrets:
    BOTBERI_USER_DATABASE_URL_FILE: identity_user_database_url
    BOTBERI_IDENTITY_SECRET_FILE: identity_secret
    BOTBERI_ARTIFACTS_SECRET_FILE: artifacts_secret
  artifacts: true
  talksTo: [postgres, gateway, s3]
catalog:
  command: [botberi, catalog]
  port: 8082
  live: /health
  ready: /health
  secrets: { BOTBERI_SHARED_DATABASE_URL_FILE: catalog_shared_database_url }
  talksTo: [postgres, gateway]
instance:
  command: [botberi, instance]
  port: 8083
  live: /health
  ready: /health
  secrets:
    BOTBERI_SHARED_DATABASE_URL_FILE: instance_shared_database_url
    BOTBERI_ARTIFACTS_SECRET_FILE: artifacts_secret
  artifacts: true
  talksTo: [postgres, gateway, s3]
broker:
  command: [botberi, broker]
  metrics: 9100
  live: /health
  ready: /ready
  secrets:
    BOTBERI_USER_DATABASE_URL_FILE: broker_user_database_url
    BOTBERI_SHARED_DATABASE_URL_FILE: broker_shared_database_url
    BOTBERI_AMQP_URL_FILE: broker_amqp_url
  talksTo: [postgres, rabbitmq]
dispatcher:
  command: [botberi, dispatcher]
  metrics: 9100
  live: /health
  ready: /ready
  secrets:
    BOTBERI_SHARED_DATABASE_URL_FILE: dispatcher_shared_database_url
    BOTBERI_AMQP_URL_FILE: dispatcher_amqp_url
  artifacts: true
  talksTo: [postgres, rabbitmq, s3]
worker:
  command: [botberi, worker]
  metrics: 9100
  live: /health
  ready: /ready
  secrets:
    BOTBERI_SHARED_DATABASE_URL_FILE: worker_shared_database_url
    BOTBERI_AMQP_URL_FILE: worker_amqp_url
  artifacts: true
  talksTo: [postgres, rabbitmq, s3]
  # A run that is cut off is taken up elsewhere, but from its beginning.
  graceSeconds: 120
identity-worker:
  command: [botberi, worker, --queues, identity]
  metrics: 9100
  live: /health
  ready: /ready
  secrets:
    BOTBERI_USER_DATABASE_URL_FILE: identity_worker_user_database_url
    BOTBERI_SHARED_DATABASE_URL_FILE: identity_worker_shared_database_url
    BOTBERI_AMQP_URL_FILE: identity_worker_amqp_url
    BOTBERI_IDENTITY_SECRET_FILE: identity_secret
    BOTBERI_SMTP_URL_FILE: smtp_url
    BOTBERI_ARTIFACTS_SECRET_FILE: artifacts_secret
  artifacts: true
  talksTo: [postgres, rabbitmq, s3, smtp]
catalog-worker:
  command: [botberi, catalog-worker]
  metrics: 9100
  live: /health
  ready: /ready
  secrets:
    BOTBERI_SHARED_DATABASE_URL_FILE: catalog_worker_shared_database_url
    BOTBERI_AMQP_URL_FILE: catalog_worker_amqp_url
  talksTo: [postgres, rabbitmq]
beat:
  command: [botberi, beat]
  secrets: { BOTBERI_AMQP_URL_FILE: beat_amqp_url }
  talksTo: [rabbitmq]
flower:
  command: [botberi, flower]
  port: 4400
  secrets:
    BOTBERI_AMQP_URL_FILE: flower_amqp_url
    FLOWER_BASIC_AUTH_FILE: flower_basic_auth
  talksTo: [rabbitmq]
{{- end -}}
