import type { DefaultContext, Middleware as KoaMiddleware, ParameterizedContext } from 'koa';

/** What every request carries once it is past the edge; its address is `ctx.ip`. */
export interface AppState {
  traceId: string;
  /** `config.listeners.bodyLimitBytes` */
  bodyLimitBytes?: number;
}

export type AppContext = ParameterizedContext<AppState>;
export type Middleware = KoaMiddleware<AppState, DefaultContext>;
