"""Static files under names that change with their contents."""

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage

# `import { draw } from "./chart.js";` and `import { mount } from "../figure.js";`
IMPORT = (
    r'(?P<matched>import (?P<names>\{[^}]*\}) from "(?P<url>\.\.?/[^"]+)";)',
    'import %(names)s from "%(url)s";',
)


class StaticStorage(ManifestStaticFilesStorage):
    """Our own modules also import each other by those names, or each would be loaded twice.

    Django's `support_js_module_import_aggregation` looks into every script, and takes words
    inside htmx for imports.
    """

    patterns = (*ManifestStaticFilesStorage.patterns, ("js/*.js", (IMPORT,)))
