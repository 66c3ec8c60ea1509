// Shows the server's own document. The key that is typed under Authorize stays in this tab's memory.
window.addEventListener("load", () => {
  SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#viewer",
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    deepLinking: true,
    displayRequestDuration: true,
    tryItOutEnabled: true,
    persistAuthorization: false,
    queryConfigEnabled: false,
    // The viewer would otherwise send the document's address to a validator on the web.
    validatorUrl: null,
  });
});
