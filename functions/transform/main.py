"""The transform function: takes CloudEvents over HTTP, answers with the next one."""

from __future__ import annotations

import functions_framework

from geoingest.runtime.http import serve_stage
from geoingest_transform import STAGE

# The name that functions-framework is given as its target.
handle = functions_framework.http(serve_stage(STAGE))
