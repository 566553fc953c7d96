#!/bin/bash
set -euo pipefail
version=$(cat version/version)
install -m 0755 bosh-cli/bosh-cli-*-linux-amd64 /usr/local/bin/bosh
tarball=$PWD/release/containers-$version.tgz
cd containers
ci/setup
ci/blobs
# --force: the blobs that are not uploaded count as changes
bosh --non-interactive create-release --force --version "$version" --tarball "$tarball"
