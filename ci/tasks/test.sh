#!/bin/bash
set -euo pipefail
export CARGO_HOME=$PWD/cargo-home
cd containers
ci/setup
ci/test --blobs upstream
