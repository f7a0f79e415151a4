// An empty component: takes a case sent ahead to the shelf of viewer_data.js, whichever came first.
export default ({ data }) => { (globalThis.flawscopeAhead ??= []).push(data); };
