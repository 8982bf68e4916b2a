var s=(t,o)=>()=>t(o.subscribe,o.snapshot,o.snapshot);export{s as sessionHook};
