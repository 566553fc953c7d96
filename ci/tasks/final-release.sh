#!/bin/bash
set -euo pipefail
die() { printf 'error: %s\n' "$1" >&2; [ -z "${2:-}" ] || printf 'hint: %s\n' "$2" >&2; exit 1; }

version=$(cat version/version)
grep -q '^## '"${version//./\\.}"'\b' containers/CHANGELOG.md || die "CHANGELOG.md has no section $version" "make one of what is unreleased, and push it"
! grep -Eq '^ +provider: +local$' containers/config/final.yml || die "config/final.yml keeps the blobs of final releases on the machine that makes them, and this container is thrown away" \
  "name a blobstore that outlives it (s3, gcs), its keys in the pipeline's blobstore_private_yml"

install -m 0755 bosh-cli/bosh-cli-*-linux-amd64 /usr/local/bin/bosh
(cd containers && ci/setup)
git clone --quiet containers released
cd released
ci/blobs
(umask 077 && printf '%s\n' "$CONTAINERS_BLOBSTORE_PRIVATE_YML" >config/private.yml)
ci/release "$version"
rm config/private.yml
mv "containers-$version.tgz" "containers-$version.tgz.sha256" ../release/
mv "containers-$version.md" ../release/notes.md
git add --all .final_builds releases
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
git commit --quiet --message "Release $version"
