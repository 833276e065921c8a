/* SPDX-License-Identifier: MIT
 * One lock guards who takes which piece of work; the work itself runs outside it. */
#include "store/segment/encoder_pool.h"

#include <pthread.h>
#include <string.h>

#include "store/sqlite_api.h"

enum { MAX_THREADS = 64 };

struct tk_encoder_pool {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct tk_encode_job *job; /* NULL: nothing to do */
  bool stopping;
  unsigned thread_count;
  pthread_t threads[MAX_THREADS];
};

enum work_kind { NO_WORK, PREPARE, RUN_TASK };

struct work {
  enum work_kind kind;
  struct tk_encode_piece *piece;
  uint32_t task;
};

/* With the lock held: claims the next thing to do. */
static struct work take_work(struct tk_encode_job *job) {
  for (uint32_t p = 0; job && p < job->piece_count; p++) {
    struct tk_encode_piece *piece = &job->pieces[p];
    if (piece->progress.state == TK_PIECE_NEW) {
      piece->progress.state = TK_PIECE_PREPARING;
      return (struct work){.kind = PREPARE, .piece = piece};
    }
    if (piece->progress.state == TK_PIECE_RUNNING &&
        piece->progress.next_task < piece->writer.task_count) {
      return (struct work){RUN_TASK, piece, piece->progress.next_task++};
    }
  }
  return (struct work){.kind = NO_WORK};
}

/* With the lock held. */
static void finish_piece(struct tk_encode_job *job, struct tk_encode_piece *piece,
                         enum tk_status status, const struct tk_error *error) {
  piece->progress.state = TK_PIECE_DONE;
  job->pieces_done++;
  if (status == TK_OK || job->status != TK_OK) return;
  job->status = status;
  job->error = *error;
}

/* Called and returns with the lock held. */
static void do_work(struct tk_encoder_pool *pool, struct work work) {
  struct tk_encode_job *job = pool->job;
  struct tk_encode_piece *piece = work.piece;
  struct tk_error error = {{0}};
  enum tk_status status = TK_OK;

  pthread_mutex_unlock(&pool->lock);
  if (work.kind == PREPARE) {
    status = tk_segment_writer_prepare(&piece->writer, piece->spans, piece->span_count, &error);
  } else {
    tk_segment_writer_run(&piece->writer, work.task);
  }
  pthread_mutex_lock(&pool->lock);

  if (status != TK_OK) {
    finish_piece(job, piece, status, &error);
  } else if (work.kind == PREPARE) {
    piece->progress.tasks_left = piece->writer.task_count;
    piece->progress.state = TK_PIECE_RUNNING;
  } else if (--piece->progress.tasks_left == 0) {
    pthread_mutex_unlock(&pool->lock);
    status = tk_segment_writer_finish(&piece->writer, &error);
    pthread_mutex_lock(&pool->lock);
    finish_piece(job, piece, status, &error);
  }
  pthread_cond_broadcast(&pool->changed);
}

static void *run_thread(void *argument) {
  struct tk_encoder_pool *pool = argument;
  pthread_mutex_lock(&pool->lock);
  while (!pool->stopping) {
    struct work work = take_work(pool->job);
    if (work.kind == NO_WORK) {
      pthread_cond_wait(&pool->changed, &pool->lock);
    } else {
      do_work(pool, work);
    }
  }
  pthread_mutex_unlock(&pool->lock);
  return NULL;
}

enum tk_status tk_encoder_pool_create(unsigned thread_count, struct tk_encoder_pool **pool_out,
                                      struct tk_error *error) {
  struct tk_encoder_pool *pool = sqlite3_malloc64(sizeof *pool);
  *pool_out = NULL;
  if (!pool) return tk_nomem(error);
  memset(pool, 0, sizeof *pool);
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->changed, NULL);
  if (thread_count > MAX_THREADS) thread_count = MAX_THREADS;
  while (pool->thread_count + 1 < thread_count) {
    if (pthread_create(&pool->threads[pool->thread_count], NULL, run_thread, pool) != 0) break;
    pool->thread_count++;
  }
  *pool_out = pool;
  return TK_OK;
}

void tk_encoder_pool_submit(struct tk_encoder_pool *pool, struct tk_encode_job *job) {
  pthread_mutex_lock(&pool->lock);
  job->status = TK_OK;
  job->pieces_done = 0;
  pool->job = job;
  pthread_cond_broadcast(&pool->changed);
  pthread_mutex_unlock(&pool->lock);
}

void tk_encoder_pool_wait(struct tk_encoder_pool *pool) {
  pthread_mutex_lock(&pool->lock);
  while (pool->job && pool->job->pieces_done < pool->job->piece_count) {
    struct work work = take_work(pool->job);
    if (work.kind == NO_WORK) {
      pthread_cond_wait(&pool->changed, &pool->lock);
    } else {
      do_work(pool, work);
    }
  }
  pool->job = NULL;
  pthread_mutex_unlock(&pool->lock);
}

bool tk_encoder_pool_is_done(struct tk_encoder_pool *pool) {
  if (pool->thread_count == 0) tk_encoder_pool_wait(pool);
  pthread_mutex_lock(&pool->lock);
  const bool done = !pool->job || pool->job->pieces_done == pool->job->piece_count;
  pthread_mutex_unlock(&pool->lock);
  return done;
}

void tk_encoder_pool_free(struct tk_encoder_pool *pool) {
  if (!pool) return;
  tk_encoder_pool_wait(pool);
  pthread_mutex_lock(&pool->lock);
  pool->stopping = true;
  pthread_cond_broadcast(&pool->changed);
  pthread_mutex_unlock(&pool->lock);
  for (unsigned i = 0; i < pool->thread_count; i++) pthread_join(pool->threads[i], NULL);
  pthread_cond_destroy(&pool->changed);
  pthread_mutex_destroy(&pool->lock);
  sqlite3_free(pool);
}
