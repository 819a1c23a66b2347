import type { IncomingMessage, ServerResponse } from 'node:http';
import type { DefaultContext, Middleware as KoaMiddleware, ParameterizedContext } from 'koa';

/** What every request carries once it is past the first middleware. */
export interface AppState {
  traceId: string;
  /** `config.listeners.bodyLimitBytes` */
  bodyLimitBytes?: number;
}

export type AppContext = ParameterizedContext<AppState>;
export type Middleware = KoaMiddleware<AppState, DefaultContext>;

/** A piece that knows nothing of Koa: the engine, the demo, the simulator. It answers by itself, whatever happens. */
export type NodeHandler = (req: IncomingMessage, res: ServerResponse) => void | Promise<void>;
