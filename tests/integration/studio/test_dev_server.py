"""The teams of `langgraph.json` under `langgraph dev`, driven as Studio drives them."""

import json
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk.client import SyncLangGraphClient

from interlock.demo.packaged_data import TICKETS_FILE

from tests.integration.studio.conftest import REPOSITORY, DevServer, copy_examples, run_dev_server
