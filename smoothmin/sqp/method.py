from __future__ import annotations
import math
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
from smoothmin._method import Method
from smoothmin._protocol import *
from smoothmin._protocol import Rows
from smoothmin._status import Status
from smoothmin._verdict import Knowledge, judge
from smoothmin.metrics.dense_bfgs import InverseHessian
from smoothmin.subproblems.elastic_qp import ElasticQP
TRACE=False
CORR=False; SKEW=0.2; KEEP=20; SAME=0.01; SER=0.1; NULLS=1000; RAISE=0.25; import os
GAM=float(os.environ.get('GAM','1'));KFADE=float(os.environ.get('KFADE','0.9'));FIRST=int(os.environ.get('FIRST','0'));LONG=float(os.environ.get('LONG','1')); GROW=float(os.environ.get('GROW','1e9')); LEARN='piece'; SAME2=float(__import__('os').environ.get('SAME2','0.05'))
EPS=float(np.finfo(float).eps)

class Sides:
    def __init__(self, rows, k):
        if rows is None:
            self.row=np.zeros(0,dtype=np.intp); self.sign=np.zeros(0); self.bound=np.zeros(0); self.tol=np.zeros(0)
            return
        up=np.flatnonzero(np.isfinite(rows.upper)); low=np.flatnonzero(np.isfinite(rows.lower))
        self.row=np.concatenate([up,low]); self.sign=np.concatenate([np.ones(len(up)),-np.ones(len(low))])
        self.bound=np.concatenate([rows.upper[up],-rows.lower[low]])
        self.tol=rows.tolerance[self.row]
    def __len__(self): return len(self.row)
    def excess(self,c): return self.sign*c[self.row]-self.bound
    def slopes(self,J): return self.sign[:,None]*J[self.row]
    def rows(self,w,k):
        out=np.zeros(k); np.add.at(out,self.row,-self.sign*w); return out

@dataclass(eq=False)
class Pt:
    x: Array; f: float; g: Array; c: Array; J: Array; h: Array; A: Array
    def ok(self): return math.isfinite(self.f) and np.isfinite(self.g).all() and np.isfinite(self.h).all() and np.isfinite(self.A).all()

@dataclass(frozen=True)
class SQPGradientSampling(Method):
    name: ClassVar[str]="sqp"
    handles_bounds: ClassVar[bool]=True
    def run(self, problem, rng):
        return Run(problem,rng).go()

class Run:
    def __init__(self,p,rng):
        self.p=p; self.n=len(p.x0); self.k=0 if p.nonlinear is None else len(p.nonlinear.lower)
        self.s=Sides(p.nonlinear,self.k)
        self.lin=Sides(p.linear,0)
        M=np.zeros((0,self.n)) if p.linear is None else p.linear.matrix
        self.M=self.lin.slopes(np.asarray(M)) if len(self.lin) else np.zeros((0,self.n))
        self.lower,self.upper=p.box if p.box is not None else (np.full(self.n,-np.inf),np.full(self.n,np.inf))
        self.metric=InverseHessian(self.n)
        S=len(self.s)
        self.nu=np.zeros(S); self.cap=None
        self.warm=None
    def ask(self,x):
        a=yield Ask(x[None],1)
        f=float(a.values[0]); g=a.gradients[0]
        if self.k: c=a.rows[0]; J=a.jacobians[0]
        else: c=np.zeros(0); J=np.zeros((0,self.n))
        return Pt(x,f,g,c,J,self.s.excess(c),self.s.slopes(J))
    def start(self):
        x=self.p.clip(self.p.x0)
        if len(self.lin):
            b=self.lin.bound-self.M@x
            if (b<0).any():
                qp=ElasticQP(np.eye(self.n),np.zeros(self.n),self.M,b,np.zeros(len(b),dtype=np.intp),np.array([np.inf]),self.lower-x,self.upper-x)
                x=self.p.clip(x+qp.solve().step)
        return x
    def root(self):
        m=self.metric
        return (np.eye(self.n)*self.first if m.fresh else m._j.dense())*math.sqrt(self.tau)
    def phi(self,pt): return pt.f+float(self.nu@np.maximum(pt.h,0))
    def loc(self,dx,i):
        return GAM*float(dx@dx)*self.Kn[i]
    def tangents(self,pt):
        """rows (R,n), offsets, group for kinked functions"""
        rows=[];off=[];grp=[];key=[]
        S=len(self.s)
        for q in self.bundle:
            if q is pt: continue
            dx=pt.x-q.x
            if self.kf>0:
                al=pt.f-q.f-q.g@dx; gj=q.g
                if CORR and not self.metric.fresh:
                    Bd=self.metric.curve(dx); al-=0.5*dx@Bd; gj=gj+Bd
                if not (q.dead[0]):
                    rows.append(gj-pt.g); off.append(max(abs(al),self.loc(dx,0))); grp.append(S+1); key.append((q.id,-1))
            for i in range(S):
                if self.kc[i]>0 and not q.dead[1+i]:
                    al=pt.h[i]-q.h[i]-q.A[i]@dx; gj=q.A[i]
                    rows.append(gj); off.append(max(abs(al),self.loc(dx,1+i))-pt.h[i]); grp.append(i); key.append((q.id,i))
        return rows,off,grp,key
    def qp(self,pt,cap,h=None):
        S=len(self.s)
        tr,to,tg,key=self.tangents(pt) if (self.kf>0 or self.kc.any()) else ([],[],[],[])
        rows=np.concatenate([pt.A,self.M]+([np.array(tr)] if tr else [])); 
        off=np.concatenate([-(pt.h if h is None else h),np.maximum(self.lin.bound-self.M@pt.x,0),np.array(to)])
        groups=np.concatenate([np.arange(S),np.full(len(self.lin),S),np.array(tg,dtype=np.intp)]).astype(np.intp)
        q=ElasticQP(self.root(),pt.g,rows,off,groups,np.append(cap,[np.inf,1.0]),self.lower-pt.x,self.upper-pt.x)
        self.keys=key
        if self.warm:
            base,kw,bd=self.warm
            st=np.concatenate([base,[kw.get(k,0.) for k in key]])
            return q.solve(st,bd)
        return q.solve()
    def setwarm(self,sol):
        m=len(self.s)+len(self.lin)
        self.warm=(sol.multipliers[:m],dict(zip(self.keys,sol.multipliers[m:])),sol.bounds)
    def steer(self,pt):
        S=len(self.s)
        if self.cap is None:
            a=np.sqrt(np.einsum('ij,ij->i',pt.A,pt.A)); gn=np.sqrt(pt.g@pt.g)
            self.cap=100*np.maximum(gn,1e-8*1)/np.where(a>0,a,1)
            self.cap=np.maximum(self.cap,1.0)
        self.center=pt
        sol=self.qp(pt,self.cap); self.setwarm(sol)
        viol=np.maximum(pt.h,0)
        ex=sol.excess[:S]
        if not (ex>1e-10*(1+viol)).any() or self.tau<1: return sol
        best=self.qp(pt,self.cap*1e6).excess[:S]
        w=1.0
        none=(best<=1e-10*(1+viol)).all()
        for _ in range(6):
            ex=sol.excess[:S]
            if none and (ex<=1e-10*(1+viol)).all(): break
            if not none and (self.cap@(viol-ex))>=0.1*(self.cap@(viol-best)): break
            self.cap=self.cap*10
            sol=self.qp(pt,self.cap); self.setwarm(sol)
        return sol
    def compare(self,a,b):
        """trapezoid error of each function between points, in units of the change of slope; nan if unreliable"""
        s=b.x-a.x
        fa=np.append(a.f,a.h); fb=np.append(b.f,b.h)
        ga=np.append(a.g@s,a.A@s); gb=np.append(b.g@s,b.A@s)
        err=np.abs(fb-fa-0.5*(ga+gb)); cur=np.abs(gb-ga)
        rnd=50*EPS*(np.abs(fa)+np.abs(fb)+np.abs(ga)+np.abs(gb))
        return err,cur,rnd
    def record(self,pt,ctr):
        """Add a new point; detect kinks and supersede older points of the same piece."""
        if not pt.ok(): return
        S=len(self.s)
        pt.id=self.count; self.count+=1
        pt.dead=np.zeros(1+S,bool)
        if ctr is not None:
            err,cur,rnd=self.compare(ctr,pt)
            kink=(err>SKEW*cur)&(err>rnd)
            self.kf=KEEP if kink[0] else max(self.kf-1,0)
            self.kc=np.where(kink[1:],KEEP,np.maximum(self.kc-1,0))
        self.Kn*=KFADE
        for q in self.bundle:
            err,cur,rnd=self.compare(q,pt)
            dx=pt.x-q.x; s2=float(dx@dx)
            if s2>0:
                up=np.append(pt.f-q.f,pt.h-q.h)-np.append(q.g@dx,q.A@dx)
                dn=np.append(q.f-pt.f,q.h-pt.h)+np.append(pt.g@dx,pt.A@dx)
                neg=np.maximum(-np.minimum(up,dn)-rnd,0)
                self.Kn=np.maximum(self.Kn,neg/s2)
            same=(err<=SAME*cur+rnd)
            if ctr is not None and self.warm:
                held=np.array([self.warm[1].get((q.id,j),0)>0 for j in range(-1,S)])
                if ctr is self.center: same&=~held
            q.dead|=same
        self.bundle.append(pt)
        self.bundle=[q for q in self.bundle if not q.dead.all() or q is ctr]
        if len(self.bundle)>self.mem: 
            for i,q in enumerate(self.bundle):
                if q is not ctr and not any(self.warm[1].get((q.id,j),0)>0 for j in range(-1,S)): 
                    del self.bundle[i]; break
            else: del self.bundle[0]
    def go(self):
        S=len(self.s)
        self.center=None; self.tau=1.0; self.first=1.0; self.Kn=np.zeros(1+S)
        self.bundle=[]; self.kf=0; self.kc=np.zeros(S,int); self.mem=2*self.n+10; self.count=0
        pt=yield from self.ask(self.start())
        if not pt.ok(): return Finish(Status.NONFINITE,"nonfinite")
        self.record(pt,None)
        nulls=0; resets=0
        for it in range(10000):
            sol=self.steer(pt)
            d=sol.step; lam=np.bincount(self.groups_of(len(sol.multipliers)),sol.multipliers,S+2)[:S]
            self.nu=np.maximum(lam*1.0,0.5*(self.nu+lam)) if it else lam*1.0
            viol=np.maximum(pt.h,0)
            ex=sol.excess
            D=float(pt.g@d)+float(self.nu@(ex[:S]-viol))+float(ex[S+1])
            xa=np.abs(pt.x); L=len(self.lin)
            noise=4*EPS*(abs(pt.f)+float(np.abs(pt.g)@xa)+float(self.nu@(np.abs(self.s.bound)+np.abs(pt.c[self.s.row])+np.abs(pt.A)@xa))+float(sol.multipliers[S:S+L]@(np.abs(self.lin.bound)+np.abs(self.M)@xa))+np.abs(sol.bounds)@xa)
            feas=(viol<=self.s.tol*np.maximum(1,np.abs(pt.c[self.s.row]))).all()
            if TRACE: print(f'{it:3d} f {pt.f:.10g} viol {viol.max(initial=0):.2e} D {D:.3e} noise {noise:.1e} |d| {np.linalg.norm(d):.2e} curv {sol.curvature:.2e} lag {np.linalg.norm(sol.lagrangian):.2e} nu {self.nu.max(initial=0):.2e} cap {self.cap.max(initial=0):.1e} ex {ex.max(initial=0):.1e} {sol.solved} kf {self.kf} kc {self.kc.max(initial=0)} b {len(self.bundle)} act {(sol.multipliers>0).sum()} nulls {nulls}')
            if (-D<=noise*1 and feas or D>=0) and (yield from self.verify(pt,sol)): continue
            if -D<=noise*1 and feas or D>=0:
                return judge(Knowledge("Converged",tolerance_met=bool(feas)),viol=viol.max(initial=0.))
            phi0=self.phi(pt)
            t=1.0; new=None; soc=False; null=False
            for k in range(25):
                x=self.p.clip(pt.x+t*d)
                tr=yield from self.ask(x)
                ok=tr.ok()
                ph=self.phi(tr) if ok else math.inf
                if ok: self.record(tr,pt)
                if ok and ph<=phi0+(SER if self.kinked() else 1e-4)*t*D+noise:
                    new=tr; lag=sol.lagrangian; tt=t;break
                if ok and self.kinked() and nulls<NULLS and self.raised(tr,pt,d,D,sol)>=RAISE*(-D):
                    null=True; break
                if t==1 and ok and S and not soc:
                    soc=True
                    s2=self.qp(pt,self.cap,h=tr.h-pt.A@d)
                    x=self.p.clip(pt.x+s2.step)
                    t2=yield from self.ask(x)
                    if t2.ok():
                        self.record(t2,pt)
                        if self.phi(t2)<=phi0+1e-4*D+noise:
                            new=t2; lag=s2.lagrangian; tt=1.0; d=s2.step; break
                if ok:
                    a=ph-phi0-D*t
                    t=t*min(max(-D*t/(2*a) if a>0 else 0.5,0.1),0.5)
                else: t*=0.25
            if null and ph-phi0>-LONG*D*t:
                a=ph-phi0-D*t
                self.tau=max(self.tau*min(max(-D*t/(2*a),0.1),0.5),1e-6)
            if null:
                nulls+=1
                self.nullstep(tr,pt,d,lam,sol); continue
            nulls=0
            self.tau=min(1.0,self.tau*GROW)
            if new is None:
                if not self.metric.fresh and not getattr(self,'reset_at',None)==phi0:
                    self.metric.reset(); self.reset_at=phi0; continue
                return judge(Knowledge("line search failed"))
            self.learn_step(pt,new,lam,lag,tt)
            pt=new
            yield Iterate(pt.x,pt.f,pt.g)
    def verify(self,pt,sol):
        """evaluate near x, towards far supports; true if the model changed"""
        r=1e-8*max(1.0,np.abs(pt.x).max())
        m=len(self.s)+len(self.lin); ids=set(k[0] for k,w in zip(self.keys,sol.multipliers[m:]) if w>0)
        far=[q for q in self.bundle if q.id in ids and np.linalg.norm(q.x-pt.x)>r*1.1]
        if not far: return False
        for q in far:
            dx=q.x-pt.x
            x=self.p.clip(pt.x+0.9*r*dx/np.linalg.norm(dx))
            tr=yield from self.ask(x)
            if TRACE: print('    verify',q.id,np.linalg.norm(dx),tr.f-pt.f)
            q.dead[:]=True
            self.bundle=[z for z in self.bundle if z is not q]
            self.center=None
            self.record(tr,pt)
        return True
    def kinked(self): return self.kf>0 or self.kc.any()
    def groups_of(self,m):
        S=len(self.s); L=len(self.lin)
        return np.concatenate([np.arange(S),np.full(L,S),[S+1 if k[1]<0 else k[1] for k in self.keys]]).astype(np.intp)
    def raised(self,tr,pt,d,D,sol):
        dx=pt.x-tr.x
        """by how much the new tangents raise the merit model at d"""
        S=len(self.s); dx=pt.x-tr.x; ex=sol.excess; up=0.
        if self.kf>0:
            al=max(self.loc(dx,0),abs(pt.f-tr.f-tr.g@dx))
            up+=max(0.,float((tr.g-pt.g)@d)-al-max(ex[S+1],0))
        for i in np.flatnonzero(self.kc):
            al=max(self.loc(dx,1+i),abs(pt.h[i]-tr.h[i]-tr.A[i]@dx))
            up+=self.nu[i]*max(0.,float(tr.A[i]@d)-al+pt.h[i]-max(ex[i],0))
        return up
    def nullstep(self,tr,pt,d,lam,sol):
        pass
    def learn_step(self,pt,new,lam,lag,tt):
        s=new.x-pt.x
        if LEARN=='plain' or not self.kinked():
            y=new.g-pt.g+lam@(new.A-pt.A)
            self.learn(s,y,lag,tt); return
        best=None
        used=np.append(True,lam>0)
        for q in self.bundle:
            if q is new: continue
            err,cur,rnd=self.compare(q,new)
            same=err<=SAME2*cur+rnd
            if same[0]:
                dd=np.linalg.norm(new.x-q.x)
                if best is None or dd<best[0]: best=(dd,q,same)
        if best is None:
            if self.metric.fresh and FIRST: self.first=math.sqrt(np.linalg.norm(s)/max(np.linalg.norm(lag),1e-300))
            return
        q=best[1]; same=best[2]
        y=new.g-q.g+(lam*same[1:])@(new.A-q.A)
        s=new.x-q.x
        if q is pt: self.learn(s,y,lag,tt)
        elif not self.metric.fresh:
            self.learn(s,y,-self.metric.curve(s),1.0)
        else: self.learn(s,y,-s,1.0)
    def learn(self,s,y,lag,t):
        Bs=-t*lag
        sBs=float(s@Bs); sy=float(s@y)
        if self.metric.fresh:
            if not sy>1e-8*np.sqrt((s@s)*(y@y)): return
            self.metric.update(s,y); return
        if sBs>0 and sy<0.2*sBs:
            th=0.8*sBs/(sBs-sy); y=th*y+(1-th)*Bs
        self.metric.update(s,y,None)
