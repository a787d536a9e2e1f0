"""Postgres -> RabbitMQ -> whoever listens."""
