#!/usr/bin/env bash
# Stands in for codex exec: says when it started to run, drains its prompt, then does what the file
# BENCH_AGENT names: nothing, wait for SIGINT, or print many bytes.
printf '%s\n' "$EPOCHREALTIME" >"$BENCH_STARTED.tmp" && mv "$BENCH_STARTED.tmp" "$BENCH_STARTED"
case "$(<"$BENCH_MODE")" in
  quick) ;;
  wait) trap 'kill %1; exit 1' INT; sleep 1000 & wait ;;
  flood) exec head -c "$BENCH_FLOOD_BYTES" /dev/zero ;;
esac
