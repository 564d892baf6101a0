"""Put the helpers of these tests, `blocks` and `places`, on the import path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
