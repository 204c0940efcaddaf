/** The style of every page: no external fonts, light and dark, one column on a phone. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f5f6f8; --card: #ffffff; --ink: #1b1f24; --soft: #57606a; --line: #d6dbe1;
  --log: #fbfcfd; --link: #1f5fcc; --good: #116329; --bad: #c4242b; --open: #8a5a00; --calm: #57606a;
  --busy: #1f5fcc; --good-bg: #dcf4e2; --bad-bg: #fde4e4; --open-bg: #fdf0cf; --calm-bg: #e9ecf0; --busy-bg: #deeafc;
  --on-accent: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1216; --card: #181c22; --ink: #e4e8ed; --soft: #9ba6b2; --line: #303741;
    --log: #12151a; --link: #7db2ff; --good: #6bd48a; --bad: #ff8b8b; --open: #f0c36b; --calm: #a9b3be;
    --busy: #8bbaff; --good-bg: #16331f; --bad-bg: #431d1f; --open-bg: #3b2f12; --calm-bg: #272d35; --busy-bg: #192f50;
    --on-accent: #0b1524;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere; }
h1, h2 { margin: 0; line-height: 1.3; }
h1 { font-size: 1.1rem; }
h1 a { color: inherit; text-decoration: none; }
h2 { font-size: 1rem; }
p { margin: .4rem 0; }
a { color: var(--link); }
code, pre, .path, .number { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; font-size: .9em; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 4px; }
.skip { position: absolute; left: -999rem; }
.skip:focus { left: 1rem; top: .5rem; z-index: 3; background: var(--card); padding: .5rem; }
.meta, dt, figcaption, .pages { color: var(--soft); font-size: .875rem; }
header { position: sticky; top: 0; z-index: 2; display: flex; align-items: center; gap: .4rem 1rem; padding: .6rem 1rem; background: var(--card); border-bottom: 1px solid var(--line); }
.state { flex: 1; margin: 0; padding-left: .9rem; border-left: 4px solid var(--calm); }
.state.busy { border-color: var(--busy); } .state.open { border-color: var(--open); }
.connection { color: var(--soft); font-size: .8rem; white-space: nowrap; }
.connection.lost { color: var(--bad); }
main { display: grid; gap: 1rem; padding: 1rem; max-width: 90rem; margin: 0 auto; grid-template-columns: minmax(0, 1fr) 22rem; }
.wide, .narrow { display: grid; gap: 1rem; align-content: start; min-width: 0; }
#question:empty { display: none; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .9rem 1rem; min-width: 0; }
.question { border: 2px solid var(--open); }
.prose { white-space: pre-wrap; margin: .5rem 0; }
.row { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: .5rem; }
dl { display: flex; flex-wrap: wrap; gap: .4rem 1.6rem; margin: .6rem 0; }
dd { margin: 0; } dt { font-size: .78rem; }
.reason { color: var(--soft); }
.badge { display: inline-block; padding: 0 .5rem; border-radius: 1rem; font-size: .8rem; font-weight: 600; line-height: 1.5; white-space: nowrap; }
.badge.good { color: var(--good); background: var(--good-bg); } .badge.bad { color: var(--bad); background: var(--bad-bg); }
.badge.open { color: var(--open); background: var(--open-bg); } .badge.calm { color: var(--calm); background: var(--calm-bg); }
.badge.busy { color: var(--busy); background: var(--busy-bg); }
button, .button { font: inherit; font-size: .9rem; font-weight: 600; min-height: 2.25rem; padding: .3rem .9rem; border: 1px solid var(--line); border-radius: 8px; background: var(--card); color: var(--ink); cursor: pointer; text-decoration: none; display: inline-block; }
button:hover, .button:hover { border-color: var(--soft); }
button[aria-disabled="true"] { opacity: .6; cursor: progress; }
.primary { background: var(--link); border-color: var(--link); color: var(--on-accent); }
.danger { color: var(--bad); border-color: var(--bad); }
.quiet { border-color: transparent; color: var(--soft); }
form label { display: block; margin: .6rem 0 .2rem; font-size: .875rem; }
input, textarea, select { width: 100%; font: inherit; padding: .4rem .6rem; color: inherit; background: var(--log); border: 1px solid var(--soft); border-radius: 8px; }
input.path { font-size: .85rem; }
textarea { resize: vertical; }
form > button { margin-top: .7rem; }
header form > button { margin: 0; }
ol { list-style: none; margin: .4rem 0; padding: 0; }
summary { cursor: pointer; padding: .25rem 0; }
.ticket summary { display: flex; align-items: baseline; gap: .5rem; }
.ticket .name { flex: 1; }
.number { color: var(--soft); }
.ticket-text { white-space: pre-wrap; max-height: 24rem; overflow: auto; margin: .3rem 0 .6rem; padding: .6rem; background: var(--log); border: 1px solid var(--line); border-radius: 6px; }
.finding { color: var(--bad); font-size: .875rem; }
.log-frame { position: relative; }
#log { height: min(34rem, 62vh); overflow-y: auto; overscroll-behavior: contain; padding: .6rem .8rem; background: var(--log); border: 1px solid var(--line); border-radius: 8px; }
#log:empty::before { content: "No output yet."; color: var(--soft); }
#newest { position: absolute; right: 1rem; bottom: 1rem; box-shadow: 0 2px 8px rgb(0 0 0 / .3); }
.item { margin: .3rem 0; white-space: pre-wrap; }
.item.turn { margin: .9rem 0 .4rem; padding-bottom: .2rem; border-bottom: 1px solid var(--line); font-weight: 700; }
.item.header, .item.text, .item.reasoning, .item.usage, .item.other, .item.trailer { color: var(--soft); font-size: .85rem; }
.item.text { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; margin: 0; }
.item.error { color: var(--open); } .item.error.final, .item .failed { color: var(--bad); }
.item.looper { color: var(--open); font-size: .9rem; }
.item summary { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .85rem; padding: .1rem 0; color: var(--busy); }
.item pre { white-space: pre-wrap; max-height: 16rem; overflow: auto; margin: .2rem 0 .4rem 1rem; padding-left: .6rem; border-left: 3px solid var(--line); color: var(--soft); }
.item ul { list-style: none; margin: 0; padding: 0; }
.item .done { color: var(--good); }
figure { margin: .5rem 0; max-width: 32rem; }
svg { display: block; width: 100%; }
svg text { fill: var(--soft); font-size: 9px; }
rect.good, .key.good::before { fill: var(--good); background: var(--good); } rect.bad, .key.bad::before { fill: var(--bad); background: var(--bad); }
rect.open, .key.open::before { fill: var(--open); background: var(--open); } rect.calm, .key.calm::before { fill: var(--calm); background: var(--calm); }
rect.busy, .key.busy::before { fill: var(--busy); background: var(--busy); } rect.none { fill: var(--line); }
.key { margin-right: 1rem; white-space: nowrap; }
.key::before { content: ""; display: inline-block; width: .7rem; height: .7rem; border-radius: 2px; margin-right: .35rem; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; font-weight: 400; padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-size: .8rem; }
tr.shown { background: var(--busy-bg); }
#said { position: fixed; z-index: 4; left: 50%; bottom: 1rem; transform: translateX(-50%); width: max-content; max-width: calc(100vw - 2rem); margin: 0; padding: .6rem 1rem; border-radius: 8px; background: var(--ink); color: var(--page); box-shadow: 0 2px 12px rgb(0 0 0 / .35); white-space: pre-wrap; }
#said:empty { display: none; }
.login { display: block; max-width: 26rem; margin-top: 12vh; }
@media (max-width: 62rem) {
  main { display: flex; flex-direction: column; }
  .wide, .narrow { display: contents; }
  #question { order: 1; } .run { order: 2; } #tickets { order: 3; } #autopoll { order: 4; } #history { order: 5; } .start { order: 6; }
}
@media (max-width: 40rem) {
  header { flex-wrap: wrap; padding: .5rem .75rem; }
  .state { order: 3; flex-basis: 100%; }
  h1 { flex: 1; }
  main { padding: .75rem; gap: .75rem; }
  button, .button { min-height: 2.75rem; }
  input, textarea, select { font-size: 16px; }
  dl { display: grid; grid-template-columns: 1fr 1fr; gap: .4rem 1rem; }
  dl div:last-child { grid-column: 1 / -1; }
  thead { position: absolute; left: -999rem; }
  tr { display: grid; grid-template-columns: auto 1fr auto; gap: 0 .6rem; padding: .4rem 0; border-bottom: 1px solid var(--line); }
  tbody th, td { border: 0; padding: .1rem 0; }
  td:nth-child(3), td:nth-child(4) { text-align: right; }
  td:nth-child(4), td:nth-child(5), td:nth-child(6) { color: var(--soft); font-size: .85rem; text-align: left; }
}
`;
