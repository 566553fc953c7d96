#!/bin/bash
# The bosh CLI itself reads BOSH_ENVIRONMENT, BOSH_CLIENT, BOSH_CLIENT_SECRET and BOSH_CA_CERT.
set -euo pipefail
apt-get update -qq
apt-get install -y -qq --no-install-recommends ca-certificates >/dev/null
install -m 0755 bosh-cli/bosh-cli-*-linux-amd64 /usr/local/bin/bosh
export BOSH_NON_INTERACTIVE=true

bosh upload-stemcell "$(cat stemcell/url)" --sha1 "$(cat stemcell/sha1)"
bosh upload-release dev-release/containers-*.tgz

# This release and no other that the Director has, under a name of its own.
cat >this-release.yml <<'OPS'
- {type: replace, path: /name, value: ((deployment))}
- {type: replace, path: /releases/name=containers/version, value: ((release_version))}
- {type: replace, path: /stemcells/alias=default/os, value: ((stemcell_os))}
- {type: replace, path: /stemcells/alias=default/version, value: ((stemcell_version))}
OPS
cleanup() { bosh delete-deployment --force; }
trap cleanup EXIT
os=$(grep -oE 'ubuntu-[a-z]+' <<<"$CONTAINERS_STEMCELL")
bosh deploy containers/manifests/vault.yml \
  --ops-file containers/manifests/operations/smoke-tests.yml --ops-file this-release.yml \
  --var deployment="$BOSH_DEPLOYMENT" --var release_version="$(cat dev-release/version)" \
  --var stemcell_os="$os" --var stemcell_version="'$(cat stemcell/version)'"
bosh run-errand smoke-tests
bosh instances --ps
