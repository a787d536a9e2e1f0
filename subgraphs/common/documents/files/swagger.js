// Swagger UI over the document that the page names; nothing is asked of another server.
addEventListener('DOMContentLoaded', () => {
  const root = document.getElementById('swagger');
  SwaggerUIBundle({ url: root.dataset.document, domNode: root, validatorUrl: null, deepLinking: false });
});
