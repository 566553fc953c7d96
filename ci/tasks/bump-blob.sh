#!/bin/bash
set -euo pipefail
apt-get update -qq
apt-get install -y -qq --no-install-recommends ca-certificates curl git ruby >/dev/null
git clone --quiet containers bumped
version=$(cat upstream/version)
cd bumped
ci/bump-blob "$CONTAINERS_BLOB" "$version"
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
git diff --quiet || git commit --quiet --all --message "Bump $CONTAINERS_BLOB to $version"
