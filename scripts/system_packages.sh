#!/usr/bin/env bash
# Installs the system packages that some tests need (a browser for the report, bubblewrap for the sandbox, Slurm for
# grading on a cluster), as root and with apt-get; elsewhere says in one sentence which tests will be skipped. With CI=true a missing one is a failure.
set -euo pipefail

declare -A packages=([chromium]=chromium [chromedriver]=chromium-driver [bwrap]=bubblewrap
  [slurmctld]=slurm-wlm [munged]=munge)
declare -A tests=([chromium]="the browser tests of the report" [chromedriver]="the browser tests of the report"
  [bwrap]="the tests of the strong sandbox" [slurmctld]="the tests on a small Slurm cluster"
  [munged]="the tests on a small Slurm cluster")

missing() {
  local program
  for program in chromium chromedriver bwrap slurmctld munged; do
    command -v "$program" > /dev/null || echo "$program"
  done
}

wanted=$(missing)
if [[ -n $wanted && $(id -u) == 0 ]] && command -v apt-get > /dev/null; then
  names=()
  for program in $wanted; do
    names+=("${packages[$program]}")
  done
  echo "gpulabs: installing ${names[*]} with apt-get"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${names[@]}"; } > "$log" 2>&1; then
    tail -n 5 "$log" >&2
  fi
  rm -f "$log"
  wanted=$(missing)
fi

if [[ -z $wanted ]]; then
  exit 0
fi
skipped=$(for program in $wanted; do echo "${tests[$program]}"; done | sort -u | paste -sd, | sed 's/,/ and /g')
if [[ ${CI:-} == true ]]; then
  echo "gpulabs: missing in CI: ${wanted//$'\n'/, }; without them these would be skipped: $skipped" >&2
  exit 1
fi
echo "gpulabs: not installed: ${wanted//$'\n'/, }; these will be skipped: $skipped"
