var s=(t,n)=>{let{defaults:e}=t;return e.adapter="fetch",e.env={...e.env,fetch:n.fetch},t};export{s as useSession};
