#!/usr/bin/env bash
# Stands in for codex exec: says when it started to run, then does what $BENCH_MODE says: nothing,
# wait for SIGINT, print a large file, or finish its ticket.
printf '%s\n' "$EPOCHREALTIME" >"$BENCH_STARTED.tmp" && mv "$BENCH_STARTED.tmp" "$BENCH_STARTED"
case "$(<"$BENCH_MODE")" in
  quick) ;;
  wait) trap 'kill %1; exit 1' INT; sleep 1000 & wait ;;
  flood) cat "$BENCH_FLOOD" && printf '%s\n' "$EPOCHREALTIME" >"$BENCH_STARTED.end" ;;
  ticket)
    sed -i 's/^done: false/done: true/' "$LOOPER_TICKET"
    echo "$RANDOM" >>work.txt
    echo '{"type":"thread.started","thread_id":"bench"}'
    echo '{"type":"turn.completed","usage":{"input_tokens":1,"output_tokens":1}}'
    ;;
esac
