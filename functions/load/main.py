"""The load function: takes CloudEvents over HTTP, answers with the next one. Served by functions-framework."""

from __future__ import annotations

import functions_framework

from geoingest.runtime.http import serve_stage
from geoingest_load import STAGE

# The name that functions-framework is started with: `--target handle`.
handle = functions_framework.http(serve_stage(STAGE))
